// What nodes and wallets sign about how far an envelope got (SPEC section 12): receipts, holds, outcomes, words.
import { H, equal, hex, u64 as u64Bytes } from './bytes.mjs';
import { openVoucher, shapeOfVoucher } from './edges.mjs';
import { MAX_U32, account, bin, bin32, checkAscending, integer, list, ms, tuple } from './fields.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, malformed } from './refusal.mjs';
import { verifyEd25519 } from './signatures.mjs';
import { rootFromRun } from './tree.mjs';

const VERSION = integer(1, 1);
const MOST_LEAVES = 65536;
const leafIndex = integer(0, MOST_LEAVES - 1);
const leafCount = integer(1, MOST_LEAVES);
const path = list(bin32, 0, 16);
const sealNumber = integer(1, 2n ** 63n - 1n);
const seal = tuple(
  VERSION, bin32, bin(16), sealNumber, bin32, integer(2, 2), ms, ms, integer(0, 1), leafCount, bin32, bin(64),
);
const hold = tuple(VERSION, bin32, ms, leafCount, bin32, bin(64));

const sealHash = (network, [, node, chain, number, previous, level, time, keptUntil, flags, count, root]) => {
  const times = [u64Bytes(time), u64Bytes(keptUntil)];
  const rest = [u64Bytes(flags), u64Bytes(count), root];
  return H('receipt', network.id, node, chain, u64Bytes(number), previous, u64Bytes(level), ...times, ...rest);
};

// Whether a leaf and its path lead to a root; a path of another shape leads nowhere.
function leadsTo(leaf, index, count, way, root) {
  if (index >= count) return false;
  const found = rootFromRun([leaf], Number(index), Number(count), way);
  return found !== null && equal(found, root);
}

export function checkReceipt(network, data) {
  const raw = unpack(data);
  tuple(VERSION, seal, bin32, leafIndex, path)(raw, '12.4');
  const [, sealed, id, index, way] = raw;
  if (!leadsTo(id, index, sealed[9], way, sealed[10])) throw new Refusal('bad-receipt', '12.4', 'path');
  if (!verifyEd25519(sealed[1], sealHash(network, sealed), sealed[11])) {
    throw new Refusal('bad-receipt', '12.3', 'signature');
  }
}

export function provesEquivocation(network, oneData, otherData) {
  const pair = [oneData, otherData].map(unpack);
  pair.forEach((raw) => seal(raw, '12.2'));
  pair.sort((a, b) => (BigInt(a[3]) < BigInt(b[3]) ? -1 : Number(BigInt(a[3]) > BigInt(b[3]))));
  const [one, other] = pair;
  if (!equal(one[1], other[1]) || !equal(one[2], other[2])) return false;
  const [oneHash, otherHash] = pair.map((raw) => sealHash(network, raw));
  const apart = BigInt(other[3]) - BigInt(one[3]);
  const lies = apart === 0n ? !equal(oneHash, otherHash) : apart === 1n && !equal(other[4], oneHash);
  return lies && verifyEd25519(one[1], oneHash, one[11]) && verifyEd25519(other[1], otherHash, other[11]);
}

export function checkHoldProof(network, data) {
  const raw = unpack(data);
  tuple(VERSION, hold, bin32, leafIndex, path)(raw, '12.7');
  const [, [, node, time, count, root, signature], id, index, way] = raw;
  const wrong = (member) => new Refusal('bad-hold', '12.7', member);
  if (!leadsTo(id, index, count, way, root)) throw wrong('path');
  const message = H('hold', network.id, node, u64Bytes(time), u64Bytes(count), root);
  if (!verifyEd25519(node, message, signature)) throw wrong('signature');
}

const word = (raw, rule) => {
  tuple(VERSION, shapeOfVoucher, bin(16), integer(0, 2n ** 64n - 1n), list(bin32, 0, 64))(raw, rule);
};

export function checkAcknowledgement(network, data, id, who, node) {
  const raw = unpack(data);
  word(raw, '12.10');
  const [, voucher, salt, index, way] = raw;
  const wrong = (member) => new Refusal('bad-acknowledgement', '12.10', member);
  if (!equal(voucher[1], who)) throw wrong('account');
  if (!equal(voucher[2], node)) throw wrong('node id');
  const leaf = H('voucher-leaf', network.id, salt, id);
  if (!leadsTo(leaf, index, voucher[6], way, voucher[8])) throw wrong('path');
  openVoucher(network, voucher);
}

const recipient = tuple(account, ms, (value, rule) => value === null || word(value, rule));
const row = tuple(
  bin32, ms, integer(4, 5), integer(1, MAX_U32), list(recipient, 0, 512, ([who]) => [hex(who)]),
);

export function checkOutcome(network, data) {
  const raw = unpack(data);
  tuple(VERSION, bin32, bin32, ms, list(row, 1, 512), bin(64))(raw, '12.9');
  const [, node, origin, time, rows, signature] = raw;
  checkAscending(rows.map(([id, , level]) => [hex(id), level]), '12.9');
  if (rows.reduce((sum, each) => sum + each[4].length, 0) > 512) throw malformed('12.9');
  const wrong = (member) => new Refusal('bad-outcome', '12.9', member);
  for (const [, , level, count, named] of rows) {
    if (count < named.length) throw wrong('count');
    if (named.some(([, , evidence]) => (evidence === null) !== (level === 4))) throw wrong('evidence');
  }
  const message = H('outcome', network.id, node, origin, u64Bytes(time), pack(rows));
  if (!verifyEd25519(node, message, signature)) throw wrong('signature');
}
