// A network from its JSON (SPEC section 1): what is hashed into its id, and the numbers that rules ask for.
import { H, hex, unhex } from './bytes.mjs';
import { pack } from './msgpack.mjs';
import { malformed } from './refusal.mjs';

const LIMITS = [
  'item_bytes', 'run_bytes', 'frame_bytes', 'frame_items', 'leaf_bytes', 'batch_count', 'api_batch_bytes',
];

const DAY_MS = 86_400_000;

function within(value, low, high) {
  if (!Number.isSafeInteger(value) || value < low || value > high) throw malformed('1.2');
  return value;
}

// Throws Refusal `malformed` where the file breaks SPEC 1.2 or its parameters do not match the genesis (SPEC 1.4).
export function openNetwork({ genesis, parameters }) {
  within(genesis.format, 1, 1);
  within(genesis.shard_count, 1, 256);
  within(genesis.wallet_range, 2 ** 31, 2 ** 31);
  within(genesis.threshold, 1, Math.max(1, genesis.admins.length));
  within(genesis.limits.batch_count, 1, 1024);
  within(parameters.number, 0, 0);
  const lives = new Map(genesis.longest_life_ms);
  within(lives.get(3), 490 * DAY_MS, Number.MAX_SAFE_INTEGER);
  within(lives.get(4), 400 * DAY_MS, 400 * DAY_MS);
  if (new Set(genesis.admins).size < genesis.admins.length) throw malformed('1.2');
  if (!/^[a-z0-9-]{1,32}$/.test(genesis.name) || genesis.nonce.length !== 32) throw malformed('1.2');
  const packedParameters = pack([
    parameters.number,
    parameters.first_epoch,
    parameters.default_allowance,
    parameters.allowances.map(([account, slots]) => [unhex(account), slots]),
    parameters.difficulties,
  ]);
  const parametersDigest = H('parameters', packedParameters);
  if (hex(parametersDigest) !== genesis.parameters_digest) throw malformed('1.4');
  const packedGenesis = pack([
    genesis.format,
    genesis.name,
    unhex(genesis.nonce),
    genesis.epoch_length_ms,
    genesis.epoch_origin_ms,
    genesis.shard_count,
    genesis.wallet_range,
    genesis.slot_bytes,
    LIMITS.map((name) => genesis.limits[name]),
    genesis.longest_life_ms,
    genesis.admins.map(unhex),
    genesis.threshold,
    parametersDigest,
  ]);
  const id = H('network', packedGenesis);
  const allowances = new Map(parameters.allowances);
  const difficulties = new Map(parameters.difficulties);
  return {
    id,
    packedGenesis,
    parametersDigest,
    display: `${genesis.name}:${hex(id)}`,
    limits: genesis.limits,
    lives,
    walletRange: genesis.wallet_range,
    slotBytes: genesis.slot_bytes,
    origin: genesis.epoch_origin_ms,
    epoch: (time) => Math.floor((time - genesis.epoch_origin_ms) / genesis.epoch_length_ms),
    shard: (topic) => H('shard', pack(topic))[0] % genesis.shard_count,
    allowance: (author) => allowances.get(hex(author)) ?? parameters.default_allowance,
    difficulty: (kind) => difficulties.get(kind) ?? 20,
  };
}
