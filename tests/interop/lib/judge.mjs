// The verdict on each envelope of a frame, with the memory that it needs (SPEC sections 4, 6 and 7).
import { SESSION } from './auths.mjs';
import { H, equal, hex, leadingZeroBits, u64 } from './bytes.mjs';
import { showAccount } from './accounts.mjs';
import { openItem } from './envelopes.mjs';
import { compareKeys } from './fields.mjs';
import { openFrame } from './frames.mjs';
import { batchMembers, envelopeMembers } from './members.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, attempt, verdictOf } from './refusal.mjs';
import { verifyEd25519 } from './signatures.mjs';
import { verifyAuth } from './verify_auth.mjs';

const MAX_AHEAD_MS = 60000;

export class Memory {
  constructor() {
    this.items = new Map(); // id to the item hashes of its auths
    this.epochs = new Map(); // id to its epoch
    this.slots = new Map(); // slot to the ids that hold it
    this.grants = new Map(); // id to {id, author, body}
    this.revocations = []; // {author, body}
  }

  add(network, envelope) {
    const id = hex(envelope.id);
    this.items.set(id, new Set([hex(envelope.itemHash)]));
    this.epochs.set(id, network.epoch(envelope.body.issuedAt));
    for (const slot of slotsOf(network, envelope)) this.slots.set(slot, [...(this.slots.get(slot) ?? []), id]);
    if (envelope.kind === 2) this.grants.set(id, envelope);
    if (envelope.kind === 3) this.revocations.push(envelope);
  }

  // Lets go of what was issued before an epoch, and of grants and revocations that expired.
  forget(oldest, now) {
    for (const [id, epoch] of this.epochs) {
      if (epoch >= oldest) continue;
      this.epochs.delete(id);
      this.items.delete(id);
    }
    for (const slot of this.slots.keys()) if (Number(slot.split('/')[1]) < oldest) this.slots.delete(slot);
    for (const [id, { body }] of this.grants) if (body.expiresAt <= now) this.grants.delete(id);
    this.revocations = this.revocations.filter(({ body }) => body.expiresAt > now);
  }

  void() {
    const held = [...this.slots.values()].filter((ids) => ids.length > 1);
    return [...new Set(held.flat())].sort();
  }

  // The earliest cut of a grant (SPEC 4.10, 4.11), or null.
  cutOf(grant) {
    const cuts = this.revocations
      .filter(({ author, body }) => equal(author, grant.author)
        && (body.grantId === null ? grant.body.issuedAt < body.before : equal(body.grantId, grant.id)))
      .map(({ body }) => [body.cutTime, body.cutSeq]);
    return cuts.sort(compareKeys)[0] ?? null;
  }

  // The grant that a session names, where it is this author's and for this key (SPEC 5.15).
  grantOf(author, auth) {
    const grant = this.grants.get(hex(auth.grantId));
    if (!grant) throw new Refusal('unknown-grant', '5.15');
    if (!equal(grant.author, author) || !equal(grant.body.key, auth.key)) throw new Refusal('out-of-scope', '5.15');
    return grant;
  }
}

function slotsOf(network, { author, body, cost }) {
  const epoch = network.epoch(body.issuedAt);
  return Array.from({ length: cost }, (_, place) => `${hex(author)}/${epoch}/${body.seq + place}`);
}

export function judge(network, memory, data, now, { gossipTopic = null, bySync = false } = {}) {
  const entries = attempt(() => openFrame(network, data, gossipTopic));
  if (entries instanceof Refusal) return [answer(null, entries)];
  const refusals = entries.map((entry) => (
    entry instanceof Refusal ? entry : attempt(() => firstLook(network, memory, entry, now, bySync))));
  const rejected = refusals.findIndex((refusal) => refusal && verdictOf(refusal.reason) === 'REJECT');
  if (rejected >= 0) return [answer(entries[rejected], refusals[rejected])];
  return entries.map((entry, place) => (
    refusals[place] ? answer(entry, refusals[place]) : secondLook(network, memory, entry)));
}

function firstLook(network, memory, envelope, now, bySync) {
  if (memory.items.get(hex(envelope.id))?.has(hex(envelope.itemHash))) throw new Refusal('duplicate', '7.6');
  checkClock(network, envelope, now, bySync);
  checkSlot(network, envelope);
  checkSignature(network, envelope);
}

function secondLook(network, memory, envelope) {
  const refusal = attempt(() => {
    checkAuthority(memory, envelope);
    const known = memory.items.get(hex(envelope.id));
    if (known) {
      if (known.size < 4) known.add(hex(envelope.itemHash));
      throw new Refusal('duplicate', '7.6');
    }
    const held = slotsOf(network, envelope).map((slot) => memory.slots.get(slot)?.length ?? 0);
    if (held.every((count) => count >= 2) && !isFirstCut(memory, envelope)) throw new Refusal('surplus', '6.5');
    memory.add(network, envelope);
  });
  return answer(envelope, refusal, signerOf(envelope));
}

// A key that ends itself is never too late for a slot (SPEC 6.5).
function isFirstCut(memory, { kind, author, auth }) {
  return kind === 3 && auth.scheme === SESSION && memory.cutOf(memory.grantOf(author, auth)) === null;
}

function checkClock(network, { body }, now, bySync) {
  if (body.expiresAt <= now) throw new Refusal('expired', '7.2');
  if (!bySync && network.epoch(now) > network.epoch(body.issuedAt) + 1) throw new Refusal('too-old', '7.3');
  if (body.issuedAt > now + MAX_AHEAD_MS) throw new Refusal('ahead-of-time', '7.4');
}

function checkSlot(network, { id, kind, author, body, auth, cost, statement }) {
  const first = statement ? statement.firstSeq : body.seq;
  const covered = statement ? statement.count : cost;
  const within = (first % network.walletRange) + covered <= network.allowance(author) / 2;
  if (within && auth.work !== null) throw new Refusal('work-not-needed', '6.4');
  if (within) return;
  if (auth.work === null) throw new Refusal('over-allowance', '6.4');
  const bits = leadingZeroBits(H('work', statement ? statement.root : id, u64(auth.work)));
  if (bits < network.difficulty(kind) + Math.ceil(Math.log2(covered))) throw new Refusal('not-enough-work', '6.4');
}

export function checkSignature(network, { id, kind, author, body, auth, statement }) {
  if (statement) {
    verifyAuth(network, author, auth, statement.id, () => batchMembers(network, statement.said));
  } else {
    verifyAuth(network, author, auth, id, () => envelopeMembers(network, kind, body, id));
  }
  if (kind === 7) {
    const agreed = H('node-binding', network.id, author, u64(body.expiresAt));
    if (!verifyEd25519(body.nodeId, agreed, body.signature)) throw new Refusal('bad-signature', '4.18');
  }
}

export function checkAuthority(memory, { kind, author, body, auth, cost }) {
  if (auth.scheme !== SESSION) return;
  const grant = memory.grantOf(author, auth);
  const outside = () => new Refusal('out-of-scope', '5.15');
  const { scopes, topics, firstSeq, endSeq, notBefore, expiresAt } = grant.body;
  if (kind !== 3 && !scopes.includes(kind)) throw outside();
  const isTopic = (part) => equal(pack(part), pack(body.topic));
  if (topics !== null && body.topic !== null && !topics.some(isTopic)) throw outside();
  if (body.seq < firstSeq || body.seq + cost > endSeq) throw outside();
  if (body.issuedAt < notBefore || body.issuedAt >= expiresAt) throw outside();
  const order = (one) => [one.body.issuedAt, hex(one.id)];
  for (const other of memory.grants.values()) {
    const owns = equal(other.author, author)
      && compareKeys(order(other), order(grant)) < 0
      && other.body.firstSeq < body.seq + cost && body.seq < other.body.endSeq
      && other.body.notBefore <= body.issuedAt && body.issuedAt < other.body.expiresAt;
    if (owns) throw new Refusal('out-of-scope', '5.16');
  }
  const cut = memory.cutOf(grant);
  if (cut && compareKeys([body.issuedAt, body.seq], cut) > 0) throw new Refusal('grant-revoked', '4.11');
}

export function judgePrivate(network, memory, data, now) {
  let envelope = null;
  const refusal = attempt(() => {
    envelope = openItem(network, unpack(data), { way: 'private' });
    checkClock(network, envelope, now, false);
    checkSignature(network, envelope);
    checkAuthority(memory, envelope);
  });
  return answer(envelope, refusal, refusal ? null : signerOf(envelope));
}

function signerOf({ author, auth }) {
  return auth.scheme === SESSION ? `ed25519:${hex(auth.key)}` : showAccount(author);
}

function answer(envelope, refusal, signer = null) {
  const known = envelope && !(envelope instanceof Refusal);
  return {
    id: known ? hex(envelope.id) : null,
    item_hash: known ? hex(envelope.itemHash) : null,
    signer,
    verdict: verdictOf(refusal?.reason ?? 'ok'),
    reason: refusal?.reason ?? 'ok',
    rule: refusal?.rule ?? '7.1',
  };
}
