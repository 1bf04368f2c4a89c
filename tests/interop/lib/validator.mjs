// The frame validator of a foreign libp2p node: may a frame that came by gossip be forwarded unchanged? (SPEC 7, 8)
//
// It holds what it accepted for two epochs and nothing else, and packs no frames of its own: what is new in a frame
// that may not go on unchanged waits for a frame of another node.
import { SESSION } from './auths.mjs';
import { hex } from './bytes.mjs';
import { openFrame } from './frames.mjs';
import { Memory, judge } from './judge.mjs';
import { pack } from './msgpack.mjs';
import { Refusal } from './refusal.mjs';

const ACCEPT = { verdict: 'ACCEPT', reason: 'ok' };
const ignore = (reason) => ({ verdict: 'IGNORE', reason });

export class FrameValidator {
  #network;
  #memory = new Memory();
  #sent = new Map(); // id to the epoch in which it went on
  #ridden = new Map(); // the same of grants, in a grant table
  #epoch = -1;

  constructor(network) {
    this.#network = network;
  }

  // {verdict, reason, ids, newBytes}: `ids` are the envelopes that became known by this frame, `newBytes` what its
  // sender earned. The caller passes the verdict on to gossipsub, which forwards what is ACCEPT.
  validate(gossipTopic, data, now) {
    this.#forget(now);
    const answers = judge(this.#network, this.#memory, data, now, { gossipTopic });
    const rejected = answers.find(({ verdict }) => verdict === 'REJECT');
    if (rejected) return { verdict: 'REJECT', reason: rejected.reason, ids: [], newBytes: 0 };
    const looks = this.#looks(openFrame(this.#network, data, gossipTopic), answers);
    const newBytes = sum(looks.filter(({ isNew }) => isNew).map(({ entry }) => entry.size));
    const outcome = this.#rule(looks, newBytes, data.length);
    if (outcome.verdict === 'ACCEPT') this.#markSent(looks, now);
    const ids = answers.filter(({ verdict }) => verdict === 'ACCEPT').map(({ id }) => id);
    return { ...outcome, ids, newBytes };
  }

  // An id is new until this node has sent it in a frame (SPEC 8.11).
  #looks(entries, answers) {
    return entries.map((entry, place) => {
      const { verdict, reason } = answers[place];
      const isKnown = reason === 'duplicate';
      const isNew = verdict === 'ACCEPT' || (isKnown && !this.#sent.has(hex(entry.id)));
      return { entry, reason, isKnown, isNew };
    });
  }

  #rule(looks, newBytes, frameBytes) {
    const blocking = looks.find(({ isNew, isKnown }) => !isNew && !isKnown);
    if (blocking) return ignore(blocking.reason);
    if (newBytes === 0) return ignore('duplicate');
    if (2 * knownBytes(looks, this.#ridden) > frameBytes) return ignore('stale-frame');
    return ACCEPT;
  }

  #markSent(looks, now) {
    const epoch = this.#network.epoch(now);
    const ids = looks.map(({ entry }) => hex(entry.id));
    const named = grantsOf(looks);
    for (const [marks, marked] of [[this.#sent, ids], [this.#ridden, ids.filter((id) => named.has(id))]]) {
      for (const id of marked) {
        marks.delete(id); // to the end of the order
        marks.set(id, epoch);
      }
    }
  }

  // No frame can bring again what is older than this (SPEC 7.3).
  #forget(now) {
    const epoch = this.#network.epoch(now);
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    const oldest = epoch - 2;
    this.#memory.forget(oldest, now);
    for (const marks of [this.#sent, this.#ridden]) {
      for (const [id, sentIn] of marks) {
        if (sentIn >= oldest) break; // in the order in which they went
        marks.delete(id);
      }
    }
  }
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

// The ids of the grants that session items and statements among these name.
const grantsOf = (looks) => new Set(looks.map(({ entry }) => entry.auth)
  .filter((auth) => auth.scheme === SESSION).map((auth) => hex(auth.grantId)));

// Encoded bytes of what no new item is or refers to: items, grants, run headers and paths, statements (SPEC 8.10). A
// grant of `ridden` went on in a grant table before.
function knownBytes(looks, ridden) {
  const parts = partsOf(looks);
  const needed = grantsOf(parts.filter(isFresh).map(([first]) => first));
  let bytes = 0;
  const statements = new Map(); // statement to whether a new leaf refers to it
  for (const part of parts) {
    const { id, run, statement } = part[0].entry;
    if (!isFresh(part) && needed.has(hex(id)) && !ridden.has(hex(id))) continue; // the grant of a new item
    bytes += sum(part.filter(({ isNew }) => !isNew).map(({ entry }) => entry.size));
    if (run === null) continue;
    if (!isFresh(part)) bytes += overheadOf(run);
    statements.set(statement, isFresh(part) || statements.get(statement) === true);
  }
  return bytes + sum([...statements].filter(([, fresh]) => !fresh).map(([{ raw }]) => pack(raw).length));
}

const isFresh = (part) => part.some(({ isNew }) => isNew);

// A part is one item, or all leaves of one run.
function partsOf(looks) {
  const parts = [];
  for (const look of looks) {
    const last = parts.at(-1);
    if (look.entry.run !== null && last?.[0].entry.run === look.entry.run) last.push(look);
    else parts.push([look]);
  }
  return parts;
}

// A run's own bytes beside its bodies: header and path.
function overheadOf([type, , first, path, bodies]) {
  return pack([type, 0, first, path, bodies.map(() => null)]).length - bodies.length;
}
