// Members of bodies, statements and edge messages: each is a check that throws `malformed`.
import { checkAccount, checkTopic } from './accounts.mjs';
import { hex } from './bytes.mjs';
import { malformed } from './refusal.mjs';
import { checkText, checkUrl } from './text.mjs';

export const MAX_MS = 253402300799999;
export const MAX_U32 = 2 ** 32 - 1;

// The bounds are numbers or BigInts; a BigInt value is above every safe integer.
export const integer = (low, high) => (value, rule) => {
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!whole || value < low || value > high) throw malformed(rule);
  return value;
};
export const u32 = integer(0, MAX_U32);
export const u64 = integer(0, 2n ** 64n - 1n);
export const ms = integer(0, MAX_MS);
export const setting = integer(-(2n ** 53n), 2n ** 53n);

export const bin = (low, high = low) => (value, rule) => {
  if (!(value instanceof Uint8Array) || value.length < low || value.length > high) throw malformed(rule);
  return value;
};
export const bin32 = bin(32);

export const text = (low, high, options) => (value, rule) => checkText(value, low, high, rule, options);
export const url = (value, rule) => checkUrl(value, rule);
export const matching = (pattern) => (value, rule) => {
  if (typeof value !== 'string' || !pattern.test(value)) throw malformed(rule);
};
export const slug = matching(/^[a-z0-9-]{1,32}$/);
export const bool = (value, rule) => {
  if (typeof value !== 'boolean') throw malformed(rule);
};

export const optional = (check) => (value, rule) => (value === null ? null : check(value, rule));

export const tuple = (...checks) => (value, rule) => {
  if (!Array.isArray(value) || value.length !== checks.length) throw malformed(rule);
  checks.forEach((check, place) => check(value[place], rule));
};

export const list = (check, low, high, ascendingBy = null) => (value, rule) => {
  if (!Array.isArray(value) || value.length < low || value.length > high) throw malformed(rule);
  value.forEach((part) => check(part, rule));
  if (ascendingBy) checkAscending(value.map(ascendingBy), rule);
};

// Keys are arrays of numbers and strings; bytes come as hex, whose order is theirs.
export function checkAscending(keys, rule) {
  for (let place = 1; place < keys.length; place += 1) {
    if (compareKeys(keys[place - 1], keys[place]) >= 0) throw malformed(rule);
  }
}

export function compareKeys(a, b) {
  for (let place = 0; place < Math.min(a.length, b.length); place += 1) {
    if (a[place] !== b[place]) return a[place] < b[place] ? -1 : 1;
  }
  return a.length - b.length;
}

export const account = (value, rule) => checkAccount(bin(0, Infinity)(value, rule));

export const topic = (value, rule) => {
  tuple(bin(0, Infinity), (name) => typeof name === 'string' || fail(rule))(value, rule);
  checkTopic(value);
};
export const byOwnerAndName = ([owner, name]) => [hex(owner), name];

function fail(rule) {
  throw malformed(rule);
}
