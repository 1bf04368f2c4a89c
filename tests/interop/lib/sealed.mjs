// Content that was sealed to some seal keys, opened with the secret of one (SPEC 4.26-4.28).
import { xchacha20poly1305 } from '@noble/ciphers/chacha';
import { hsalsa, secretbox } from '@noble/ciphers/salsa';
import { x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { openBody } from './bodies.mjs';
import { H, equal, join, sha } from './bytes.mjs';
import { integer, list, optional, text, tuple, url } from './fields.mjs';
import { pack, unpack } from './msgpack.mjs';
import { Refusal, attempt } from './refusal.mjs';

const KIND = 5;
const bad = () => new Refusal('bad-seal', '4.28');
const content = tuple(
  integer(1, 1),
  optional(text(1, 256)),
  optional(text(1, 4096, { lines: true })),
  optional(url),
  optional(list(tuple(text(1, 64), url), 1, 3)),
);

// The packed content.
export function openSealed(network, author, data, secret) {
  const { sealed } = openBody(network, KIND, author, data);
  const [nonce, ciphertext, boxes] = sealed;
  const mine = x25519.getPublicKey(secret);
  const box = boxes.find(([key]) => equal(key, mine));
  if (box === undefined) throw new Refusal('no-seal-key', '4.28');
  const tie = H('sealed', network.id, Uint8Array.of(KIND), author, pack([...unpack(data).slice(0, -1), null]));
  const key = openBox(box[1], mine, secret);
  if (!equal(nonce, sha(join(key, tie)).subarray(0, 24))) throw bad();
  return unpad(decrypt(() => xchacha20poly1305(key, nonce, tie).decrypt(ciphertext), ciphertext.length));
}

// libsodium's sealed box: an ephemeral key, then a box whose nonce is made of both keys.
function openBox(box, mine, secret) {
  const ephemeral = box.subarray(0, 32);
  const nonce = blake2b(join(ephemeral, mine), { dkLen: 24 });
  return decrypt(() => {
    const words = (value) => new Uint32Array(Uint8Array.from(value).buffer);
    const shared = new Uint32Array(8);
    const sigma = new TextEncoder().encode('expand 32-byte k');
    hsalsa(words(sigma), words(x25519.getSharedSecret(secret, ephemeral)), words(new Uint8Array(16)), shared);
    return secretbox(new Uint8Array(shared.buffer), nonce).open(box.subarray(32));
  });
}

function decrypt(action, length = 256) {
  if (length < 256 || length > 65536 || (length & (length - 1)) !== 0) throw bad();
  try {
    return action();
  } catch {
    throw bad(); // whatever the library calls it
  }
}

function unpad(padded) {
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (end < 0 || padded[end] !== 0x80) throw bad();
  const plain = padded.subarray(0, end);
  const read = attempt(() => {
    const value = unpack(plain);
    content(value, '4.26');
    if (value[1] === null && value[2] === null) throw bad();
  });
  if (read instanceof Refusal) throw bad();
  return plain;
}
