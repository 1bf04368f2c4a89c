// A second implementation of pushmesh protocol 1, written from SPEC.md alone, against the golden vectors:
// `node verify.mjs FOLDER [file.json...]`. Prints each disagreement and `N passed, N failed`; exits with 1 if any failed.
import { readFileSync, readdirSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { decode as outsideDecode } from '@msgpack/msgpack';
import { TypedDataEncoder, verifyMessage } from 'ethers';
import { hashMessage, hashTypedData } from 'viem';
import { checkAccount, checkTopic, readAccount, showAccount, showTopic } from './lib/accounts.mjs';
import {
  checkAcknowledgement, checkHoldProof, checkOutcome, checkReceipt, provesEquivocation,
} from './lib/assurance.mjs';
import { openBody } from './lib/bodies.mjs';
import { H, hex, leadingZeroBits, u64, unhex } from './lib/bytes.mjs';
import { checkLogin, checkToken, checkVoucher, loginSubject } from './lib/edges.mjs';
import { gossipTopicOf, openFrame } from './lib/frames.mjs';
import { Memory, judge, judgePrivate } from './lib/judge.mjs';
import {
  batchMembers, envelopeMembers, loginMembers, signedText, textDigest, typedData, typedDigest,
} from './lib/members.mjs';
import { messageId } from './lib/message_id.mjs';
import { pack, unpack } from './lib/msgpack.mjs';
import { openNetwork } from './lib/network.mjs';
import { checkOptIn } from './lib/opt_in.mjs';
import { Refusal, attempt } from './lib/refusal.mjs';
import { openSealed } from './lib/sealed.mjs';
import { effectiveSettings } from './lib/settings.mjs';
import { recoverAccount } from './lib/signatures.mjs';
import { pathOf, rootFromRun, rootOf } from './lib/tree.mjs';

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(joinPath(folder, name), 'utf8'));
const networks = Object.fromEntries(
  Object.entries(read('_networks.json')).map(([name, file]) => [name, openNetwork(file)]),
);

function remember(network, given) {
  const memory = new Memory();
  for (const { frame, now_ms: now } of given.state) {
    const refused = judge(network, memory, unhex(frame), now).filter(({ reason }) => reason !== 'ok');
    if (refused.length > 0) throw new Error(`a state frame was not accepted: ${refused[0].reason}`);
  }
  return memory;
}

// What a public MessagePack library reads in a frame that we judge, we write back to the same bytes.
function checkWithOutsideCodec(frame) {
  const outside = outsideDecode(frame, { useBigInt64: true });
  if (hex(pack(outside)) !== hex(frame)) throw new Error('our encoder and @msgpack/msgpack disagree');
}

const DOINGS = {
  judge(network, given, input) {
    const memory = remember(network, given);
    const frame = unhex(input.frame);
    const options = { gossipTopic: input.gossip_topic ?? null, bySync: input.by_sync ?? false };
    const envelopes = judge(network, memory, frame, given.now_ms, options);
    if (envelopes.every(({ verdict }) => verdict === 'ACCEPT')) checkWithOutsideCodec(frame);
    return { envelopes, void: memory.void() };
  },

  private: (network, given, input) => judgePrivate(network, remember(network, given), unhex(input.item), given.now_ms),

  account: (_network, _given, { bytes, text }) => (
    text === undefined ? { text: showAccount(unhex(bytes)) } : { bytes: hex(readAccount(text)) }),

  topic(network, _given, { owner, name }) {
    const topic = [checkAccount(unhex(owner)), name];
    checkTopic(topic);
    return { display: showTopic(topic), shard: network.shard(topic) };
  },

  settings: (_network, _given, { choices, schema }) => ({ values: effectiveSettings(choices ?? [], schema ?? []) }),

  hash: (_network, _given, { name, parts }) => ({ digest: hex(H(name, ...parts.map(unhex))) }),

  network(_network, _given, file) {
    const opened = openNetwork(file);
    return {
      genesis: hex(opened.packedGenesis),
      parameters_digest: hex(opened.parametersDigest),
      id: hex(opened.id),
      display: opened.display,
    };
  },

  tree(_network, _given, { ids, first, size }) {
    const leaves = ids.map(unhex);
    return { root: hex(rootOf(leaves)), path: pathOf(leaves, first, size).map(hex) };
  },

  run(_network, _given, { ids, first, count, path, root }) {
    const found = rootFromRun(ids.map(unhex), first, count, path.map(unhex));
    if (found === null || hex(found) !== root) throw new Refusal('bad-batch-leaf', '5.12');
    return {};
  },

  work: (_network, _given, { subject, nonce }) => ({ bits: leadingZeroBits(H('work', unhex(subject), u64(nonce))) }),

  message(_network, _given, { topic, data }) {
    return { id: hex(messageId(topic, unhex(data))) };
  },

  'gossip-topic': (network, _given, { frame }) => ({
    gossip_topic: gossipTopicOf(network, openFrame(network, unhex(frame))[0]),
  }),

  wallet(network, _given, input) {
    const { subject, members } = whatIsSigned(network, input);
    const shown = typedData(input.chain_id, members);
    const digest = typedDigest(input.chain_id, members);
    const text = signedText(members);
    askLibraries(shown, digest, text, input);
    return {
      subject: hex(subject),
      typed_data: shown,
      digest: hex(digest),
      text,
      text_digest: hex(textDigest(text)),
      signer: showAccount(recoverAccount(digest, unhex(input.signature))),
      text_signer: showAccount(recoverAccount(textDigest(text), unhex(input.text_signature))),
    };
  },

  login: (network, given, { login }) => edge(network, given, (...rest) => checkLogin(network, ...rest), login),
  token: (network, given, { token }) => edge(network, given, (...rest) => checkToken(network, ...rest), token),
  voucher: (network, given, { voucher }) => (
    edge(network, given, (...rest) => checkVoucher(network, ...rest), unhex(voucher))),

  receipt: (network, _given, { receipt }) => answer(() => checkReceipt(network, unhex(receipt))),
  hold: (network, _given, { hold }) => answer(() => checkHoldProof(network, unhex(hold))),
  outcome: (network, _given, { outcome }) => answer(() => checkOutcome(network, unhex(outcome))),
  acknowledgement: (network, given, { acknowledgement, id, account }) => (
    answer(() => checkAcknowledgement(network, unhex(acknowledgement), unhex(id), unhex(account), unhex(given.node_id)))),
  'opt-in': (network, given, { opt_in: data, against = [], ...asked }) => (
    answer(() => checkOptIn(network, unhex(data), { now: given.now_ms, against: against.map(unhex), ...asked }))),
  sealed: (network, _given, { author, body, seal_secret: secret }) => ({
    content: hex(openSealed(network, unhex(author), unhex(body), unhex(secret))),
  }),

  equivocation: (network, _given, { one, other }) => ({
    reason: 'ok', proof: provesEquivocation(network, unhex(one), unhex(other)),
  }),
};

function edge(network, given, check, value) {
  const place = { nodeId: unhex(given.node_id), hosts: given.hosts, now: given.now_ms };
  return answer(() => check(remember(network, given), value, place));
}

function answer(check) {
  const refusal = attempt(check);
  return { reason: refusal?.reason ?? 'ok', rule: refusal?.rule ?? '7.1', member: refusal?.member ?? null };
}

function whatIsSigned(network, { type, kind, author, content }) {
  const data = unhex(content);
  if (type === 'envelope') {
    const subject = H('envelope', network.id, Uint8Array.of(kind), unhex(author), data);
    const body = openBody(network, kind, unhex(author), data);
    return { subject, members: envelopeMembers(network, kind, body, subject) };
  }
  const said = unpack(data);
  if (type === 'batch') return { subject: H('batch', network.id, data), members: batchMembers(network, said) };
  return { subject: loginSubject(network, said), members: loginMembers(network, said) };
}

// The hashes and addresses of viem and ethers for the same typed data and text.
function askLibraries(shown, digest, text, input) {
  const { EIP712Domain, ...types } = shown.types;
  const digests = [hashTypedData(shown), TypedDataEncoder.hash(shown.domain, types, shown.message)];
  if (digests.some((value) => value !== `0x${hex(digest)}`)) throw new Error('a library has another digest');
  if (hashMessage(text) !== `0x${hex(textDigest(text))}`) throw new Error('viem has another digest of the text');
  const address = verifyMessage(text, `0x${input.text_signature}`).toLowerCase();
  if (!showAccount(recoverAccount(textDigest(text), unhex(input.text_signature))).endsWith(address)) {
    throw new Error('ethers recovers another address from the text');
  }
}

// Whether what was said has all that is expected.
function agrees(expected, said) {
  if (Array.isArray(expected) && Array.isArray(said)) {
    return expected.length === said.length && expected.every((part, place) => agrees(part, said[place]));
  }
  if (expected === null || typeof expected !== 'object' || said === null || typeof said !== 'object') {
    return expected === said;
  }
  const isLoose = (name) => name === 'rule' && expected.reason === 'malformed'; // decoders find it in different places
  return Object.keys(expected).every((name) => isLoose(name) || (name in said && agrees(expected[name], said[name])));
}

function run({ do: doing, given, input }) {
  const said = attempt(() => DOINGS[doing](networks[given.network], given, input));
  if (said instanceof Refusal) return { reason: said.reason };
  return 'envelopes' in said || 'reason' in said ? said : { reason: 'ok', ...said };
}

let passed = 0;
let failed = 0;
const asked = process.argv.slice(3);
const all = readdirSync(folder).filter((name) => /^[a-z].*\.json$/.test(name)).sort();
for (const file of asked.length > 0 ? asked : all) {
  for (const vector of read(file).vectors) {
    const said = run(vector);
    if (agrees(vector.expect, said)) {
      passed += 1;
    } else {
      failed += 1;
      console.log(`${file}: ${vector.name}`);
      console.log(`  expected ${JSON.stringify(vector.expect)}`);
      console.log(`  said     ${JSON.stringify(said)}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
