// One envelope or leaf, opened and checked by what bytes and genesis decide (SPEC 4.1-4.12, 5.10, 5.11, 6.1, 6.2).
import { checkAccount } from './accounts.mjs';
import { SESSION, checkScheme, isUnknownScheme, openAuth } from './auths.mjs';
import { isPrivate, openBody } from './bodies.mjs';
import { H, equal, sha } from './bytes.mjs';
import { account, bin32, integer, ms, topic, tuple, u32 } from './fields.mjs';
import { pack } from './msgpack.mjs';
import { Refusal, malformed } from './refusal.mjs';

const SEQ_END = 2 ** 32;

export function openItem(network, raw, { way = 'gossip' } = {}) {
  if (!Array.isArray(raw) || raw.length !== 5 || raw[0] !== 0) throw malformed('8.1');
  const [, kind, author, data, rawAuth] = raw;
  integer(0, 255)(kind, '4.5');
  if (!(author instanceof Uint8Array) || !(data instanceof Uint8Array)) throw malformed('8.1');
  const packed = pack(raw);
  if (packed.length > network.limits.item_bytes) throw new Refusal('oversize', '8.2');
  const auth = openAuth(rawAuth);
  if (isPrivate(kind) !== (way === 'private')) throw new Refusal('private-kind', '4.5');
  checkAccount(author);
  const body = openBody(network, kind, author, data);
  checkScheme(author, kind, auth);
  const cost = Math.ceil(pack([kind, author, data]).length / network.slotBytes);
  if (way === 'private') {
    if (body.seq !== 0 || auth.work !== null) throw malformed('6.1');
  } else {
    checkRange(network, body.seq, cost, auth, '6.2');
  }
  if (kind === 3 && auth.scheme === SESSION) checkSelfRevocation(body, auth);
  const id = H('envelope', network.id, Uint8Array.of(kind), author, data);
  return {
    id, kind, author, data, body, auth, cost, itemHash: sha(packed), size: packed.length, statement: null, run: null,
  };
}

function rangeOf(network, auth) {
  return auth.scheme === SESSION ? [network.walletRange, SEQ_END] : [0, network.walletRange];
}

function checkRange(network, seq, count, auth, rule) {
  const [low, high] = rangeOf(network, auth);
  if (seq < low || seq >= high) throw malformed('6.1');
  if (seq + count > high) throw malformed(rule);
}

function checkSelfRevocation(body, auth) {
  const itsOwn = body.grantId !== null && equal(body.grantId, auth.grantId);
  if (!itsOwn || body.cutTime !== body.issuedAt || body.cutSeq !== body.seq) {
    throw new Refusal('scheme-not-allowed', '4.12');
  }
}

export function openStatement(network, raw) {
  const rule = '5.10';
  if (!Array.isArray(raw) || raw.length !== 9) throw malformed(rule);
  if (isUnknownScheme(raw[8])) throw new Refusal('unknown-scheme', '5.1');
  const said = raw.slice(0, 8);
  tuple(account, integer(5, 6), topic, integer(0, 2 ** 53 - 1), u32, integer(1, 1024), ms, bin32)(said, rule);
  const [author, kind, topicOf, epoch, firstSeq, count, expiresAt, root] = said;
  const auth = openAuth(raw[8]);
  if (count > network.limits.batch_count) throw malformed(rule);
  if (!equal(topicOf[0], author)) throw new Refusal('not-topic-owner', '4.6');
  checkScheme(author, kind, auth, { batch: true });
  checkRange(network, firstSeq, count, auth, '6.1');
  const id = H('batch', network.id, pack(said));
  return { id, raw, said, author, kind, topic: topicOf, epoch, firstSeq, count, expiresAt, root, auth };
}

export function openLeaf(network, statement, index, data, run) {
  const bad = () => new Refusal('bad-batch-leaf', '5.11');
  const { author, kind, auth } = statement;
  if (data.length > network.limits.leaf_bytes) throw bad();
  const body = openBody(network, kind, author, data);
  const fits = equal(pack(body.topic), pack(statement.topic))
    && body.seq === statement.firstSeq + index
    && body.expiresAt <= statement.expiresAt
    && network.epoch(body.issuedAt) === statement.epoch;
  if (!fits) throw bad();
  const id = H('envelope', network.id, Uint8Array.of(kind), author, data);
  const itemHash = sha(pack([1, statement.raw, index, data]));
  return { id, kind, author, data, body, auth, cost: 1, itemHash, size: pack(data).length, statement, run };
}
