// Frames (SPEC section 8): opened into envelopes, and the gossip topic that each belongs to.
import { SESSION } from './auths.mjs';
import { KINDS } from './bodies.mjs';
import { equal, hex } from './bytes.mjs';
import { openItem, openLeaf, openStatement } from './envelopes.mjs';
import { bin, bin32, list, u32 } from './fields.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, attempt, malformed, verdictOf } from './refusal.mjs';
import { rootFromRun } from './tree.mjs';

const CONTROL_KINDS = new Set([1, 2, 3, 7]);

// The entries of a frame, grant table first: envelopes, and a Refusal where this version cannot read one.
// Throws the Refusal that rejects the whole frame.
export function openFrame(network, data, gossipTopic = null) {
  if (data.length > network.limits.frame_bytes) throw new Refusal('oversize', '8.2');
  const raw = unpack(data);
  if (!Array.isArray(raw) || raw.length !== 4 || raw[0] !== 1 || !raw.slice(1).every(Array.isArray)) {
    throw malformed('8.1');
  }
  const [, grantTable, rawStatements, rawItems] = raw;
  rawItems.filter(isRun).forEach(checkRun);
  const count = rawItems.reduce((sum, item) => sum + (isRun(item) ? item[4].length : 1), grantTable.length);
  if (count < 1 || count > network.limits.frame_items) throw new Refusal('oversize', '8.2');
  const statements = rawStatements.map((part) => attempt(() => openStatement(network, part)));
  const grants = grantTable.map((part) => attempt(() => openGrant(network, part)));
  const parts = rawItems.map((item) => attempt(() => (
    isRun(item) ? openRun(network, statements, item) : [openItem(network, item)])));
  checkReferences(grants, rawStatements, rawItems);
  const entries = [...grants, ...parts.flat()];
  for (const entry of [...statements, ...entries]) {
    if (entry instanceof Refusal && verdictOf(entry.reason) === 'REJECT') throw entry;
  }
  const ids = entries.filter((entry) => !(entry instanceof Refusal)).map((entry) => hex(entry.id));
  if (new Set(ids).size < ids.length) throw new Refusal('repeated', '8.4');
  const items = parts.flat().filter((entry) => !(entry instanceof Refusal));
  if (gossipTopic !== null && items.some((item) => gossipTopicOf(network, item) !== gossipTopic)) {
    throw new Refusal('wrong-shard', '8.6');
  }
  return entries;
}

const isRun = (raw) => Array.isArray(raw) && raw[0] === 1;

function checkRun(raw) {
  if (raw.length !== 5) throw malformed('8.1');
  const [, place, first, path, bodies] = raw;
  u32(place, '8.1');
  u32(first, '8.1');
  list(bin32, 0, 10)(path, '8.1');
  list(bin(0, Infinity), 1, 1024)(bodies, '8.1');
}

function openGrant(network, raw) {
  if (Array.isArray(raw) && raw[1] !== 2) throw malformed('8.4');
  return openItem(network, raw);
}

function openRun(network, statements, raw) {
  const [, place, first, path, bodies] = raw;
  if (place >= statements.length) throw malformed('8.1');
  const statement = statements[place];
  if (statement instanceof Refusal) throw statement;
  if (pack(raw).length > network.limits.run_bytes) throw new Refusal('oversize', '8.2');
  if (first + bodies.length > statement.count) throw new Refusal('bad-batch-leaf', '8.3');
  const leaves = bodies.map((data, place) => openLeaf(network, statement, first + place, data, raw));
  const root = rootFromRun(leaves.map((leaf) => leaf.id), first, statement.count, path);
  if (root === null || !equal(root, statement.root)) throw new Refusal('bad-batch-leaf', '5.12');
  return leaves;
}

function checkReferences(grants, rawStatements, rawItems) {
  const used = new Set(rawItems.filter(isRun).map((run) => run[1]));
  if (rawStatements.some((_, place) => !used.has(place))) throw new Refusal('unreferenced', '8.4');
  const auths = rawItems.filter((item) => Array.isArray(item) && !isRun(item)).map((item) => item[4]);
  const sessions = [...auths, ...rawStatements.map((part) => part[8])].filter(
    (auth) => Array.isArray(auth) && auth[0] === SESSION && auth[2] instanceof Uint8Array,
  );
  const named = new Set(sessions.map((auth) => hex(auth[2])));
  if (grants.some((grant) => !(grant instanceof Refusal) && !named.has(hex(grant.id)))) {
    throw new Refusal('unreferenced', '8.4');
  }
}

export function gossipTopicOf(network, { kind, body }) {
  const room = CONTROL_KINDS.has(kind) ? `control/${KINDS.get(kind)}` : `shard/${network.shard(body.topic)}`;
  return `/pushmesh/1/${hex(network.id)}/${room}`;
}
