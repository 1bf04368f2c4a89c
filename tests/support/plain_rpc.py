"""A decoded RPC in the words that foreign nodes use when they tell what they decoded."""

from typing import Any

from pushmesh_node.gossip.wire.rpc import ExchangedPeer, Graft, IHave, Message, Prune, Rpc, Subscription

Json = dict[str, Any]


def plain_rpc(rpc: Rpc) -> Json:
    return {
        "subscriptions": [[one.subscribe, one.topic] for one in rpc.subscriptions],
        "messages": [[one.topic, one.data.hex(), one.signed] for one in rpc.messages],
        "ihave": [[one.topic, [each.hex() for each in one.message_ids]] for one in rpc.ihave],
        "iwant": [one.hex() for one in rpc.iwant],
        "graft": [one.topic for one in rpc.graft],
        "prune": [
            [one.topic, [[peer.peer_id.hex(), peer.record.hex()] for peer in one.peers], one.backoff_s]
            for one in rpc.prune
        ],
        "idontwant": [one.hex() for one in rpc.idontwant],
    }


def rpc_of(plain: Json) -> Rpc:
    """The RPC that is told so; messages without the fields that StrictNoSign forbids."""
    return Rpc(
        tuple(Subscription(subscribe, topic) for subscribe, topic in plain["subscriptions"]),
        tuple(Message(topic, bytes.fromhex(data)) for topic, data, _ in plain["messages"]),
        tuple(IHave(topic, tuple(map(bytes.fromhex, ids))) for topic, ids in plain["ihave"]),
        tuple(map(bytes.fromhex, plain["iwant"])),
        tuple(Graft(topic) for topic in plain["graft"]),
        tuple(
            Prune(
                topic,
                tuple(ExchangedPeer(bytes.fromhex(peer), bytes.fromhex(record)) for peer, record in peers),
                backoff_s,
            )
            for topic, peers, backoff_s in plain["prune"]
        ),
        tuple(map(bytes.fromhex, plain["idontwant"])),
    )
