// The bodies of all kinds (SPEC section 4): decoded, checked, with their members by name.
import { equal, hex } from './bytes.mjs';
import { EVM_CONTRACT } from './accounts.mjs';
import {
  account, bin, bin32, bool, byOwnerAndName, integer, list, matching, ms, optional, setting, slug, text, topic, tuple,
  u32, url,
} from './fields.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, malformed } from './refusal.mjs';

const DAY = 86400000;
export const SCOPES = new Map([
  [1, 'topic'], [3, 'revocation'], [4, 'subscription'], [5, 'notification'], [6, 'retraction'], [7, 'node_binding'],
  [128, 'login'], [129, 'token'], [130, 'voucher'],
]);
export const KINDS = new Map([
  [1, 'topic'], [2, 'grant'], [3, 'revocation'], [4, 'subscription'], [5, 'notification'], [6, 'retraction'],
  [7, 'node_binding'], [64, 'preferences'], [65, 'private_subscription'],
]);
export const isPrivate = (kind) => kind >= 64 && kind <= 127;

const bySlug = ([name]) => [name];
const scope = (value, rule) => {
  if (!SCOPES.has(value)) throw malformed(rule);
};
const subject = (value, rule) => (Array.isArray(value) ? topic(value, rule) : account(value, rule));
const settingOfTopic = (value, rule) => {
  tuple(slug, integer(0, 1), text(1, 64), setting, setting, setting)(value, rule);
  const [, type, , first, low, high] = value;
  if (type === 0 && (low !== 0 || high !== 1)) throw malformed(rule);
  if (first < low || first > high) throw malformed(rule);
};
const sealed = tuple(
  bin(24),
  bin(1, 65536),
  list(tuple(bin32, bin(80)), 1, 1000, ([key]) => [hex(key)]),
);

// Kind to [rule, members after the four that every body starts with, what else holds].
const LAYOUTS = new Map([
  [1, ['4.8', {
    title: text(1, 128),
    description: optional(text(1, 1024)),
    icon: optional(bin(1, 8192)),
    categories: optional(list(tuple(slug, text(1, 64)), 1, 32, bySlug)),
    settings: optional(list(settingOfTopic, 1, 32, bySlug)),
  }]],
  [2, ['4.9', {
    key: bin32,
    sealKey: optional(bin32),
    scopes: list(scope, 1, SCOPES.size, (value) => [value]),
    topics: optional(list(topic, 1, 32, byOwnerAndName)),
    firstSeq: u32,
    endSeq: u32,
    notBefore: ms,
  }, checkGrant]],
  [3, ['4.10', { grantId: optional(bin32), before: optional(ms), cutTime: ms, cutSeq: u32 }, checkRevocation]],
  [4, ['4.13', {
    on: bool,
    settings: optional(list(tuple(slug, setting), 1, 32, bySlug)),
    receipts: bool,
  }, checkSubscription]],
  [5, ['4.15', {
    audience: optional(list(account, 1, 2000, (value) => [hex(value)])),
    title: optional(text(1, 256)),
    body: optional(text(1, 4096, { lines: true })),
    url: optional(url),
    actions: optional(list(tuple(text(1, 64), url), 1, 3)),
    category: optional(slug),
    priority: integer(1, 5),
    collapse: optional(text(1, 64)),
    notBefore: optional(ms),
    language: optional(matching(/^[A-Za-z0-9-]{2,35}$/)),
    thread: optional(bin(16)),
    origin: optional(bin32),
    sealed: optional(sealed),
  }, checkNotification]],
  [6, ['4.17', { target: bin32, mode: integer(1, 3), replacement: optional(bin32) }, checkRetraction]],
  [7, ['4.18', { nodeId: bin32, signature: bin(64) }]],
  [64, ['4.19', {
    entries: list(tuple(integer(1, 3), subject), 0, 1024, ([action, part]) => [action, hex(pack(part))]),
  }]],
  [65, ['4.25', {
    on: bool,
    settings: optional(list(tuple(slug, setting), 1, 32, bySlug)),
    receipts: bool,
  }, checkPrivateSubscription]],
]);
const START = { issuedAt: ms, seq: u32, expiresAt: ms, topic: optional(topic) };
const WITHOUT_TOPIC = new Set([2, 3, 7, 64]);
const OF_TOPIC_OWNER = new Set([1, 5, 6]);

// The members of a body by name; throws Refusal with the rule that it breaks, up to its life (SPEC 4.4).
export function openBody(network, kind, author, data) {
  if (!LAYOUTS.has(kind)) throw new Refusal('unknown-kind', '4.5');
  const [rule, layout, check] = LAYOUTS.get(kind);
  const values = unpack(data);
  const members = Object.entries({ ...START, ...layout });
  if (!Array.isArray(values) || values.length !== members.length) throw malformed(rule);
  members.forEach(([, checkMember], place) => checkMember(values[place], rule));
  const body = Object.fromEntries(members.map(([name], place) => [name, values[place]]));
  if (body.expiresAt <= body.issuedAt) throw malformed('4.3');
  if ((body.topic === null) !== WITHOUT_TOPIC.has(kind)) throw malformed('4.3');
  check?.(body, network);
  if (OF_TOPIC_OWNER.has(kind) && !equal(body.topic[0], author)) throw new Refusal('not-topic-owner', '4.6');
  if (body.issuedAt < network.origin) throw malformed('1.6');
  const longest = kind === 2 && author[0] === EVM_CONTRACT ? 7 * DAY : network.lives.get(kind === 65 ? 4 : kind);
  if (body.expiresAt - body.issuedAt > longest) throw new Refusal('life-too-long', '4.4');
  return body;
}

function checkGrant({ firstSeq, endSeq, notBefore, issuedAt, expiresAt }, network) {
  if (firstSeq < network.walletRange || firstSeq >= endSeq) throw malformed('4.9');
  if (notBefore < issuedAt || notBefore >= expiresAt) throw malformed('4.9');
}

function checkRevocation({ grantId, before, issuedAt, expiresAt }) {
  if ((grantId === null) === (before === null)) throw malformed('4.10');
  if (expiresAt - issuedAt !== 490 * DAY) throw malformed('4.4');
}

function checkSubscription({ on, issuedAt, expiresAt }) {
  if (!on && expiresAt - issuedAt !== 400 * DAY) throw malformed('4.4');
}

function checkPrivateSubscription(body) {
  checkSubscription(body);
  if (body.receipts) throw malformed('4.25');
}

function checkNotification({ title, body, sealed: hidden, audience, notBefore, expiresAt }) {
  if (title === null && body === null && hidden === null) throw malformed('4.15');
  if (notBefore !== null && notBefore >= expiresAt) throw malformed('4.15');
  if (hidden !== null && (audience === null || audience.length > 500)) throw malformed('4.16');
}

function checkRetraction({ mode, replacement }) {
  if ((mode === 3) !== (replacement !== null)) throw malformed('4.17');
}
