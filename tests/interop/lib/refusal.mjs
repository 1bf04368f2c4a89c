// A broken rule: the reason that goes over the wire, and the number of SPEC.md that says so.

const REJECTS = new Set([
  'malformed', 'oversize', 'bad-signature', 'bad-batch-leaf', 'not-topic-owner', 'scheme-not-allowed',
  'life-too-long', 'wrong-shard', 'private-kind', 'unreferenced', 'repeated',
]);

export class Refusal extends Error {
  constructor(reason, rule, member = null) {
    super(`${reason} (SPEC ${rule})`);
    Object.assign(this, { reason, rule, member });
  }
}

export const malformed = (rule) => new Refusal('malformed', rule);

export function verdictOf(reason) {
  if (reason === 'ok') return 'ACCEPT';
  return REJECTS.has(reason) ? 'REJECT' : 'IGNORE';
}

// The value of a function, or the Refusal that it throws; any other error is a fault of this program.
export function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}
