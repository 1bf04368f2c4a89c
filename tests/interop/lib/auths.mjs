// The auth of an envelope, a statement or a log-in (SPEC 5.1), and who may use what (SPEC 5.2, 11.1).
import { EVM_CONTRACT, EVM_KEY, SOLANA_KEY } from './accounts.mjs';
import { bin, bin32, integer, optional, u64 } from './fields.mjs';
import { Refusal, malformed } from './refusal.mjs';

export const EIP712 = 1;
export const EIP191 = 2;
export const SESSION = 3;
export const SOLANA = 4;
export const ERC1271 = 5;
export const ERC6492 = 6;

const LAYOUTS = new Map([
  [EIP712, { chainId: optional(integer(1, 2 ** 53 - 1)), signature: bin(65) }],
  [EIP191, { signature: bin(65) }],
  [SESSION, { key: bin32, grantId: bin32, signature: bin(64) }],
  [SOLANA, { signature: bin(64) }],
  [ERC1271, { signature: bin(1, Infinity) }],
  [ERC6492, { signature: bin(1, Infinity) }],
]);
const OWNERS = new Map([
  [EIP712, EVM_KEY], [EIP191, EVM_KEY], [SOLANA, SOLANA_KEY], [ERC1271, EVM_CONTRACT], [ERC6492, EVM_CONTRACT],
]);
const CONTRACT_KINDS = new Set([1, 2, 3, 4]);

const isSmall = (value, depth) => !Array.isArray(value)
  || (depth > 0 && value.length <= 16 && value.every((part) => isSmall(part, depth - 1)));

// Throws Refusal `malformed` for what no version of the protocol takes for an auth.
export function isUnknownScheme(raw) {
  if (!isSmall(raw, 3)) throw malformed('5.1');
  const whole = Array.isArray(raw) && (typeof raw[0] === 'bigint' || Number.isSafeInteger(raw[0]));
  return whole && !LAYOUTS.has(raw[0]);
}

export function openAuth(raw) {
  if (isUnknownScheme(raw)) throw new Refusal('unknown-scheme', '5.1');
  const layout = Array.isArray(raw) && LAYOUTS.get(raw[0]);
  if (!layout) throw malformed('5.1');
  const members = Object.entries({ ...layout, work: optional(u64) });
  if (raw.length !== members.length + 1) throw malformed('5.1');
  members.forEach(([, check], place) => check(raw[place + 1], '5.1'));
  return { scheme: raw[0], raw, ...Object.fromEntries(members.map(([name], place) => [name, raw[place + 1]])) };
}

export function checkScheme(author, kind, { scheme }, { batch = false } = {}) {
  let allowed = OWNERS.get(scheme) === author[0];
  if (scheme === SESSION) allowed = kind !== 2;
  if (scheme === ERC1271 || scheme === ERC6492) allowed &&= CONTRACT_KINDS.has(kind) && !batch;
  if (!allowed) throw new Refusal('scheme-not-allowed', '5.2');
}

export function checkLoginScheme(account, { scheme }) {
  if (scheme !== SESSION && OWNERS.get(scheme) !== account[0]) throw new Refusal('scheme-not-allowed', '11.1');
}
