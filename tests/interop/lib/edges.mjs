// Log-ins, tokens and vouchers (SPEC sections 10 and 11): read, checked, and held to the grants that are known.
import { SESSION, checkLoginScheme, isUnknownScheme, openAuth } from './auths.mjs';
import { H, equal, u64 as u64Bytes, utf8 } from './bytes.mjs';
import {
  account, bin, bin32, byOwnerAndName, integer, list, ms, optional, text, topic, tuple, u64,
} from './fields.mjs';
import { loginMembers } from './members.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, malformed } from './refusal.mjs';
import { verifyEd25519 } from './signatures.mjs';
import { verifyAuth } from './verify_auth.mjs';

const DAY = 86400000;
const VERSION = integer(1, 1);
const LOGIN = 128;
const TOKEN = 129;
const VOUCHER = 130;

// The bytes of base64url without padding, in its one form (SPEC 11.3).
function unarmor(value) {
  const data = Buffer.from(value, 'base64url');
  if (data.toString('base64url') !== value) throw malformed('11.3');
  return new Uint8Array(data);
}

function checkLive(memory, author, auth, scope, now) {
  const grant = memory.grantOf(author, auth);
  const { scopes, notBefore, expiresAt } = grant.body;
  if (!scopes.includes(scope) || now < notBefore || now >= expiresAt) throw new Refusal('out-of-scope', '5.15');
  if (memory.cutOf(grant)) throw new Refusal('grant-revoked', '4.11');
}

export function checkLogin(network, memory, value, { nodeId, hosts, now }) {
  const raw = unpack(unarmor(value));
  const unread = (auth) => {
    if (isUnknownScheme(auth)) throw malformed('11.1');
  };
  tuple(VERSION, bin32, text(1, 255), account, bin32, ms, text(1, 64), unread)(raw, '11.1');
  const [, node, host, who, , issuedAt] = raw;
  const auth = openAuth(raw[7]);
  checkLoginScheme(who, auth);
  const wrong = (member) => new Refusal('bad-login', '11.2', member);
  if (!equal(node, nodeId)) throw wrong('node id');
  if (!hosts.includes(host)) throw wrong('host');
  if (Math.abs(now - issuedAt) > 300000) throw wrong('issued-at');
  verifyAuth(network, who, auth, loginSubject(network, raw), () => loginMembers(network, raw));
  if (auth.scheme === SESSION) checkLive(memory, who, auth, LOGIN, now);
}

export function loginSubject(network, [, node, host, who, nonce, issuedAt, purpose]) {
  return H('login', network.id, node, utf8(host), who, nonce, u64Bytes(issuedAt), utf8(purpose));
}

export function checkToken(network, memory, value, { nodeId, now }) {
  const raw = unpack(unarmor(value));
  const scopes = list(integer(1, 2), 1, 2, (scope) => [scope]);
  const topics = optional(list(topic, 1, 32, byOwnerAndName));
  tuple(VERSION, bin32, account, scopes, topics, ms, bin(16), bin32, bin32, bin(64))(raw, '11.3');
  const [, node, who, scopeList, topicList, expiresAt, random, key, grantId, signature] = raw;
  const wrong = (member) => new Refusal('bad-token', '11.3', member);
  if (!equal(node, nodeId)) throw wrong('node id');
  if (expiresAt <= now || expiresAt > now + 30 * DAY) throw wrong('expires-at');
  const parts = [grantId, node, who, pack(scopeList), pack(topicList), u64Bytes(expiresAt), random];
  if (!verifyEd25519(key, H('token', network.id, ...parts), signature)) throw wrong('signature');
  checkLive(memory, who, { key, grantId }, TOKEN, now);
}

export function checkVoucher(network, memory, data, { now }) {
  const { who, key, grantId } = openVoucher(network, unpack(data));
  checkLive(memory, who, { key, grantId }, VOUCHER, now);
}

// A voucher by itself, whatever its grant says.
export function openVoucher(network, raw) {
  shapeOfVoucher(raw);
  const [, who, node, epoch, stream, order, count, units, root, key, grantId, signature] = raw;
  const wrong = (member) => new Refusal('bad-voucher', '10.1', member);
  if (units < count) throw wrong('units');
  const totals = [u64Bytes(order), u64Bytes(count), u64Bytes(units)];
  const message = H('voucher', network.id, grantId, who, node, u64Bytes(epoch), stream, ...totals, root);
  if (!verifyEd25519(key, message, signature)) throw wrong('signature');
  return { who, node, count, root, key, grantId };
}

export function shapeOfVoucher(raw) {
  const sequence = integer(1, 2 ** 32 - 1);
  const numbers = [integer(0, 2 ** 53 - 1), bin(16), sequence, u64, u64];
  tuple(VERSION, account, bin32, ...numbers, bin32, bin32, bin32, bin(64))(raw, '10.1');
}
