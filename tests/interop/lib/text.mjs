// Text rules (SPEC 3.3, 4.20).
import { malformed } from './refusal.mjs';

const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const FORBIDDEN_IN_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

export function checkText(value, low, high, rule, { lines = false } = {}) {
  if (typeof value !== 'string') throw malformed(rule);
  let points = 0;
  for (const _point of value) points += 1;
  if (points < low || points > high) throw malformed(rule);
  if ((lines ? FORBIDDEN_IN_LINES : FORBIDDEN).test(value)) throw malformed('3.3');
  return value;
}

export function checkUrl(value, rule) {
  checkText(value, 1, 2048, rule);
  if (!/^(https|http|ipfs):\/\//.test(value)) throw malformed('4.20');
}
