// A js-libp2p node that joins the mesh as docs/interop.md says: TCP, Noise, Yamux, gossipsub StrictNoSign with our
// message id, and our frame validator on every topic unless it is told to go without.
import './shim.mjs';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { TopicValidatorResult, gossipsub } from '@libp2p/gossipsub';
import { createTopicScoreParams } from '@libp2p/gossipsub/score';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { hex, unhex } from '../lib/bytes.mjs';
import { messageId } from '../lib/message_id.mjs';
import { openNetwork } from '../lib/network.mjs';
import { FrameValidator } from '../lib/validator.mjs';

const RESULTS = {
  ACCEPT: TopicValidatorResult.Accept,
  IGNORE: TopicValidatorResult.Ignore,
  REJECT: TopicValidatorResult.Reject,
};

// Nothing but faults counts, so that a score below zero tells of one.
const TOPIC_SCORE = createTopicScoreParams({
  topicWeight: 1, timeInMeshWeight: 0, firstMessageDeliveriesWeight: 0, meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0, invalidMessageDeliveriesWeight: -1, invalidMessageDeliveriesDecay: 0.9,
});

const nodeIdOf = (peerId) => hex(peerId.publicKey.raw);

export class MeshNode {
  #libp2p;
  #pubsub;
  #validator;
  #tell;

  // `tell` takes everything that happens, as objects with `event`.
  static async start({ seed, network, protocols, validate, topics, gossipsub: options }, tell) {
    const node = new MeshNode();
    node.#tell = tell;
    node.#validator = validate ? new FrameValidator(openNetwork(network)) : null;
    node.#libp2p = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', unhex(seed)),
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false }, // loopback too
      services: {
        identify: identify(),
        ping: ping(),
        pubsub: (components) => {
          const service = gossipsub({
            globalSignaturePolicy: 'StrictNoSign',
            fallbackToFloodsub: false,
            emitSelf: false,
            allowPublishToZeroTopicPeers: true,
            msgIdFn: ({ topic, data }) => messageId(topic, data),
            scoreParams: { topics: Object.fromEntries(topics.map((topic) => [topic, TOPIC_SCORE])) },
            ...options,
          })(components);
          service.protocols = protocols; // the router's whole ladder is its default
          return service;
        },
      },
    });
    node.#pubsub = node.#libp2p.services.pubsub;
    node.#listen();
    return node;
  }

  get nodeId() {
    return nodeIdOf(this.#libp2p.peerId);
  }

  get addresses() {
    return this.#libp2p.getMultiaddrs().map(String);
  }

  async dial(address) {
    await this.#libp2p.dial(multiaddr(address));
  }

  async ping(address) {
    return this.#libp2p.services.ping.ping(multiaddr(address));
  }

  subscribe(topics) {
    for (const topic of topics) {
      if (this.#validator) {
        this.#pubsub.topicValidators.set(topic, (from, message) => this.#validate(topic, from, message.data));
      }
      this.#pubsub.subscribe(topic);
    }
  }

  unsubscribe(topics) {
    for (const topic of topics) this.#pubsub.unsubscribe(topic);
  }

  // Throws where the own validator would not forward the frame: a member publishes nothing that others must refuse.
  async publish(topic, data) {
    const outcome = this.#validator?.validate(topic, data, Date.now());
    if (outcome && outcome.verdict !== 'ACCEPT') {
      throw new Error(`an own frame is ${outcome.verdict} ${outcome.reason}`);
    }
    const { recipients } = await this.#pubsub.publish(topic, data);
    return recipients.map(nodeIdOf);
  }

  // A message to everybody on a topic that no validator of this node saw: what a node does that is no honest member.
  async tell(topic, data) {
    await this.#pubsub.publish(topic, data);
  }

  // Node ids that are in this node's mesh of a topic.
  mesh(topic) {
    return this.#pubsub.getMeshPeers(topic).map((id) => nodeIdOf(this.#pubsub.peers.get(id)));
  }

  peers() {
    return [...this.#pubsub.peers].map(([id, peerId]) => ({
      node_id: nodeIdOf(peerId),
      opened: this.#pubsub.streamsOutbound.get(id)?.protocol ?? null,
      accepted: this.#pubsub.streamsInbound.get(id)?.rawStream.protocol ?? null,
      score: this.#pubsub.score.score(id),
      topics: [...this.#pubsub.topics].filter(([, members]) => members.has(id)).map(([topic]) => topic),
    }));
  }

  async stop() {
    await this.#libp2p.stop();
  }

  #validate(topic, from, data) {
    const outcome = this.#validator.validate(topic, data, Date.now());
    this.#tell({
      event: 'judged', from: nodeIdOf(from), topic, message_id: hex(messageId(topic, data)), ...outcome,
    });
    return RESULTS[outcome.verdict];
  }

  #listen() {
    this.#pubsub.addEventListener('gossipsub:message', ({ detail: { propagationSource, msg } }) => {
      const { topic, data } = msg;
      this.#tell({ event: 'message', from: nodeIdOf(propagationSource), topic, data: hex(data) });
    });
    for (const change of ['graft', 'prune']) {
      this.#pubsub.addEventListener(`gossipsub:${change}`, ({ detail: { topic, direction } }) => {
        this.#tell({ event: change, topic, direction });
      });
    }
    for (const [name, event] of [['peer:connect', 'connected'], ['peer:disconnect', 'disconnected']]) {
      this.#libp2p.addEventListener(name, ({ detail }) => this.#tell({ event, peer: nodeIdOf(detail) }));
    }
    this.#tap();
  }

  // Every RPC before the router looks at it, so that a test sees what was really sent to this node.
  #tap() {
    const handle = this.#pubsub.handleReceivedRpc.bind(this.#pubsub);
    this.#pubsub.handleReceivedRpc = (from, rpc) => {
      this.#tell({ event: 'rpc', from: nodeIdOf(from), rpc: plainRpc(rpc) });
      return handle(from, rpc);
    };
  }
}

const hexOr = (data) => (data == null ? '' : hex(data));

// A decoded RPC as JSON: what pushmesh's own decoder says of the same bytes, in the same words.
export function plainRpc(rpc) {
  const { ihave = [], iwant = [], graft = [], prune = [], idontwant = [] } = rpc.control ?? {};
  return {
    subscriptions: rpc.subscriptions.map(({ subscribe, topic }) => [subscribe ?? false, topic ?? '']),
    messages: rpc.messages.map(({ topic, data, from, seqno, signature, key }) => (
      [topic, hexOr(data), [from, seqno, signature, key].some((part) => part != null)])),
    ihave: ihave.map(({ topicID, messageIDs }) => [topicID ?? '', messageIDs.map(hex)]),
    iwant: iwant.flatMap(({ messageIDs }) => messageIDs.map(hex)),
    graft: graft.map(({ topicID }) => topicID ?? ''),
    prune: prune.map(({ topicID, peers, backoff }) => [
      topicID ?? '',
      peers.map(({ peerID, signedPeerRecord }) => [hexOr(peerID), hexOr(signedPeerRecord)]),
      Number(backoff ?? 0),
    ]),
    idontwant: idontwant.flatMap(({ messageIDs }) => messageIDs.map(hex)),
  };
}
