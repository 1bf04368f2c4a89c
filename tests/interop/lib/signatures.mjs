// secp256k1 (SPEC 5.7) and Ed25519 by libsodium's rules (SPEC 5.8), from the group operations of @noble/curves.
import { ed25519 } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { equal, join, keccak, toBigInt } from './bytes.mjs';
import { Refusal } from './refusal.mjs';

const bad = (rule) => new Refusal('bad-signature', rule);

const K1_ORDER = secp256k1.Point.Fn.ORDER;

// The EVM key account that signed the digest.
export function recoverAccount(digest, signature) {
  const r = toBigInt(signature.subarray(0, 32));
  const s = toBigInt(signature.subarray(32, 64));
  const v = signature[64];
  if (r === 0n || r >= K1_ORDER || s === 0n || s > K1_ORDER / 2n || (v !== 27 && v !== 28)) throw bad('5.7');
  let key;
  try {
    const recovered = join(Uint8Array.of(v - 27), signature.subarray(0, 64));
    key = secp256k1.Signature.fromBytes(recovered, 'recovered').recoverPublicKey(digest);
  } catch {
    throw bad('5.7'); // r is the x of no point, or the key would be the point at infinity
  }
  return join(Uint8Array.of(0), keccak(key.toBytes(false).subarray(1)).subarray(12));
}

const ED_ORDER = ed25519.Point.Fn.ORDER;
const littleEndian = (data) => toBigInt(data.slice().reverse());

function decodePoint(data) {
  try {
    return ed25519.Point.fromBytes(data); // strict: refuses a y that is not below the field's prime
  } catch {
    return null;
  }
}

// Cofactorless: R must be the very encoding of s B - k A.
export function verifyEd25519(key, message, signature) {
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const keyPoint = decodePoint(key);
  if (s >= ED_ORDER || keyPoint === null || keyPoint.isSmallOrder()) return false;
  const k = littleEndian(sha512(join(r, key, message))) % ED_ORDER;
  const sB = s === 0n ? ed25519.Point.ZERO : ed25519.Point.BASE.multiplyUnsafe(s);
  const expected = sB.subtract(keyPoint.multiplyUnsafe(k));
  return !expected.isSmallOrder() && equal(expected.toBytes(), r);
}
