// One js-libp2p node, driven over JSON lines: a request `{"do": NAME, "no": NUMBER, ...}` gives an answer
// `{"no": NUMBER, ...}` or `{"no": NUMBER, "error": TEXT}`; between them come events, `{"event": NAME, ...}`. Ends with
// its input.
import { MeshNode, plainRpc } from './mesh_node.mjs';
import { createInterface } from 'node:readline';
import { RPC } from '@libp2p/gossipsub/message';
import { unhex } from '../lib/bytes.mjs';
import { openNetwork } from '../lib/network.mjs';
import { FrameValidator } from '../lib/validator.mjs';

const tell = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

let node = null;

const DOINGS = {
  async start(request) {
    node = await MeshNode.start(request, tell);
    return { node_id: node.nodeId, addresses: node.addresses };
  },
  dial: ({ address }) => node.dial(address),
  ping: async ({ address }) => ({ ms: await node.ping(address) }),
  subscribe: ({ topics }) => node.subscribe(topics),
  unsubscribe: ({ topics }) => node.unsubscribe(topics),
  publish: async ({ topic, data }) => ({ recipients: await node.publish(topic, unhex(data)) }),
  tell: ({ topic, data }) => node.tell(topic, unhex(data)),
  mesh: ({ topic }) => ({ peers: node.mesh(topic) }),
  peers: () => ({ peers: node.peers() }),
  decode: ({ rpcs }) => ({ rpcs: rpcs.map((rpc) => plainRpc(RPC.decode(unhex(rpc)))) }),

  // One validator for a whole story of [topic, frame, now]; needs no node.
  validate({ network, frames }) {
    const validator = new FrameValidator(openNetwork(network));
    return { verdicts: frames.map(([topic, data, now]) => validator.validate(topic, unhex(data), now)) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: doing, no, ...request } = JSON.parse(line);
  try {
    tell({ no, ...await DOINGS[doing](request) });
  } catch (error) {
    tell({ no, error: String(error?.stack ?? error) });
  }
}
await node?.stop();
