// The gossipsub message id of the mesh (SPEC 8.7).
import { bigEndian, join, sha, utf8 } from './bytes.mjs';

const DOMAIN = new Uint8Array(4);

// 20 bytes, of a topic's name and a message's data.
export function messageId(topic, data) {
  const name = utf8(topic);
  return sha(join(DOMAIN, bigEndian(name.length, 8).reverse(), name, data)).subarray(0, 20);
}
