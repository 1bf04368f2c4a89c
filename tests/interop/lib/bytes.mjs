// Bytes as hex and back, compared, joined; hashes and H(name, parts...) of SPEC 3.4.
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { malformed } from './refusal.mjs';

export const hex = bytesToHex;
export const unhex = hexToBytes;
export const utf8 = utf8ToBytes;
export const join = concatBytes;
export const sha = sha256;
export const keccak = keccak_256;
export const ZERO32 = new Uint8Array(32);

const NAMES = new Set([
  'network', 'parameters', 'parameters-set', 'envelope', 'batch', 'session', 'solana', 'work', 'shard',
  'node-binding', 'login', 'token', 'voucher', 'voucher-leaf', 'receipt', 'hold', 'outcome', 'sealed',
]);

export function equal(a, b) {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}

// Big-endian, in so many bytes.
export function bigEndian(value, size) {
  const data = new Uint8Array(size);
  let rest = BigInt(value);
  for (let place = size - 1; place >= 0; place -= 1) {
    data[place] = Number(rest & 255n);
    rest >>= 8n;
  }
  return data;
}

export const u64 = (value) => bigEndian(value, 8);

export const toBigInt = (data) => data.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

export function H(name, ...parts) {
  if (!NAMES.has(name)) throw malformed('3.5');
  const all = [utf8(`pushmesh/1/${name}`), ...parts];
  return sha(join(...all.flatMap((part) => [bigEndian(part.length, 4), part])));
}

export function leadingZeroBits(digest) {
  const first = digest.findIndex((byte) => byte !== 0);
  return first < 0 ? digest.length * 8 : first * 8 + Math.clz32(digest[first]) - 24;
}
