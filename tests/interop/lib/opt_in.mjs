// A wallet's word on a topic, shown to anybody (SPEC 4.29).
import { readAccount, showTopic } from './accounts.mjs';
import { SESSION } from './auths.mjs';
import { isPrivate } from './bodies.mjs';
import { equal, hex } from './bytes.mjs';
import { openItem } from './envelopes.mjs';
import { compareKeys } from './fields.mjs';
import { Memory, checkAuthority, checkSignature } from './judge.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, malformed } from './refusal.mjs';

const RULE = '4.29';
const MAX_AHEAD_MS = 60000;
const SUBSCRIPTIONS = [4, 65];
const SHOWN = [...SUBSCRIPTIONS, 3];

const open = (network, raw) => openItem(network, raw, { way: isPrivate(raw?.[1]) ? 'private' : 'gossip' });

function readWord(network, data) {
  const raw = unpack(data);
  if (!Array.isArray(raw) || raw.length !== 4 || raw[0] !== 1) throw malformed(RULE);
  const [, id, item, grantItem] = raw;
  if (!(id instanceof Uint8Array) || id.length !== 32) throw malformed(RULE);
  if (!equal(id, network.id)) throw new Refusal('other-network', RULE);
  const word = open(network, item);
  const grant = grantItem === null ? null : open(network, grantItem);
  if (!SHOWN.includes(word.kind) || (grant !== null && grant.kind !== 2)) throw malformed(RULE);
  if (word.auth.scheme !== SESSION && grant !== null) throw new Refusal('unreferenced', RULE);
  const memory = new Memory();
  if (grant !== null) {
    checkSignature(network, grant);
    memory.grants.set(hex(grant.id), grant);
  }
  checkSignature(network, word);
  checkAuthority(memory, word);
  return { word, grant };
}

export function checkOptIn(network, data, { now, topic = null, account = null, against = [] }) {
  const { word, grant } = readWord(network, data);
  const { body } = word;
  const not = (reason, rule = RULE) => new Refusal(reason, rule);
  if (!SUBSCRIPTIONS.includes(word.kind)) throw malformed(RULE);
  if (topic !== null && showTopic(body.topic) !== topic) throw not('not-subscribed');
  if (account !== null && !equal(word.author, readAccount(account))) throw not('not-subscribed');
  if (!body.on) throw not('not-subscribed');
  if (body.issuedAt > now + MAX_AHEAD_MS) throw not('ahead-of-time');
  if (body.expiresAt <= now) throw not('expired');
  for (const other of against.map((each) => readWord(network, each).word)) {
    if (!equal(other.author, word.author) || other.body.issuedAt > now + MAX_AHEAD_MS) continue;
    if (other.kind === 3) {
      if (grant !== null && revokes(other, grant)) throw not('grant-revoked', '4.14');
    } else if (other.kind === word.kind && equal(pack(other.body.topic), pack(body.topic))) {
      if (!other.body.on && other.body.expiresAt > now && isNewer(other, word)) throw not('not-subscribed', '4.14');
    }
  }
}

function revokes(revocation, grant) {
  const memory = new Memory();
  memory.revocations.push(revocation);
  return memory.cutOf(grant) !== null;
}

function isNewer(one, other) {
  if (one.body.issuedAt !== other.body.issuedAt) return one.body.issuedAt > other.body.issuedAt;
  if (one.body.on !== other.body.on) return !one.body.on;
  return compareKeys([hex(one.id)], [hex(other.id)]) < 0;
}
