// Accounts and topics (SPEC section 2) in bytes and as they are shown.
import { bigEndian, hex, join, toBigInt, unhex } from './bytes.mjs';
import { malformed } from './refusal.mjs';

export const EVM_KEY = 0;
export const EVM_CONTRACT = 1;
export const SOLANA_KEY = 2;
const SOLANA = 'solana:5eykt4usfv8p8njdtrepy1vzqkqzkvdp';
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const SIZES = [21, 29, 33];

export function checkAccount(data) {
  const known = data.length > 0 && SIZES[data[0]] === data.length;
  if (!known || (data[0] === EVM_CONTRACT && toBigInt(data.subarray(1, 9)) === 0n)) throw malformed('2.1');
  return data;
}

export function checkTopic([owner, name]) {
  checkAccount(owner);
  if (!/^[a-z0-9-]{1,64}$/.test(name)) throw malformed('2.3');
}

function base58(data) {
  let text = '';
  for (let rest = toBigInt(data); rest > 0n; rest /= 58n) text = ALPHABET[Number(rest % 58n)] + text;
  const zeros = data.findIndex((byte) => byte !== 0);
  return '1'.repeat(zeros < 0 ? data.length : zeros) + text;
}

function unbase58(text) {
  const digits = [...text].map((letter) => ALPHABET.indexOf(letter));
  if (digits.length > 64 || digits.includes(-1)) throw malformed('2.2');
  const number = digits.reduce((value, digit) => value * 58n + BigInt(digit), 0n);
  const zeros = digits.findIndex((digit) => digit !== 0);
  const size = Math.ceil(number.toString(16).length / 2);
  return join(new Uint8Array(zeros < 0 ? digits.length : zeros), bigEndian(number, number === 0n ? 0 : size));
}

export function showAccount(account) {
  checkAccount(account);
  if (account[0] === EVM_KEY) return `eip155:1:0x${hex(account.subarray(1))}`;
  if (account[0] === SOLANA_KEY) return `${SOLANA}:${base58(account.subarray(1))}`;
  return `eip155:${toBigInt(account.subarray(1, 9))}:0x${hex(account.subarray(9))}:contract`;
}

export function readAccount(text) {
  const evm = /^eip155:([1-9][0-9]*):0x([0-9a-f]{40})(:contract)?$/.exec(text.toLowerCase());
  if (evm) {
    const [, chain, address, contract] = evm;
    if (contract && BigInt(chain) < 2n ** 64n) return join(Uint8Array.of(1), bigEndian(chain, 8), unhex(address));
    if (contract || chain !== '1') throw malformed('2.2');
    return join(Uint8Array.of(0), unhex(address));
  }
  const colon = text.lastIndexOf(':');
  if (text.slice(0, colon).toLowerCase() !== SOLANA) throw malformed('2.2');
  return checkAccount(join(Uint8Array.of(2), unbase58(text.slice(colon + 1))));
}

export const showTopic = ([owner, name]) => `${showAccount(owner)}/${name}`;
