"""Routers that talk to each other in memory, on a clock of their own: every effect is carried out."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from pushmesh_node.gossip.effects import Count, Dial, Disconnect, Effect, Inspect, SendRpc, Unsend
from pushmesh_node.gossip.events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RecordShown,
    RpcReceived,
    Subscribed,
)
from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Rpc
from pushmesh_node.gossip.wire.rpc_wire import decode, encode
from pushmesh_protocol.reasons import Verdict

LATENCY_MS = 20
HEARTBEAT_MS = 1_000
Judge = Callable[[Inspect], Judged]


def accept(inspect: Inspect) -> Judged:
    """Every byte of it is new and good."""
    return Judged(inspect.message_id, Verdict.ACCEPT, new_bytes=len(inspect.data))


@dataclass
class NetNode:
    """A router and what became of its effects. `dialled` peers are its outbound ones."""

    node_id: bytes
    router: Router
    judge: Judge = accept
    links: dict[bytes, bool] = field(default_factory=dict)  # peer -> outbound
    delivered: dict[bytes, int] = field(default_factory=dict)  # message id -> when
    copies: Counter[bytes] = field(default_factory=Counter)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dials: list[Dial] = field(default_factory=list)
    log: list[tuple[int, Effect]] = field(default_factory=list)


class RouterNet:
    """Seeded and deterministic. `loses(sender, receiver, rpc)` drops RPCs on their way."""

    def __init__(self, seed: int = 1, parameters: RouterParameters | None = None) -> None:
        self.now_ms = 1_000_000
        self.random = Random(seed)
        self.parameters = parameters or RouterParameters()
        self.nodes: dict[bytes, NetNode] = {}
        self.loses: Callable[[bytes, bytes, Rpc], bool] = lambda sender, receiver, rpc: False
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._next = 0
        self._incarnation: Counter[tuple[bytes, bytes]] = Counter()

    def add(self, topics: Iterable[str], *, judge: Judge = accept, parameters: RouterParameters | None = None) -> bytes:
        """A node, its first heartbeat at a random time within the interval."""
        node_id = len(self.nodes).to_bytes(32, "big")
        router = Router(parameters or self.parameters, Random(self.random.getrandbits(64)))
        self.nodes[node_id] = NetNode(node_id, router, judge)
        self.tell(node_id, Subscribed(frozenset(topics)))
        self._at(self.now_ms + self.random.randrange(HEARTBEAT_MS), lambda: self._beat(node_id))
        return node_id

    def link(self, dialler: bytes, listener: bytes, dialect: Dialect = Dialect.V1_2) -> None:
        """`dialler` dials; each is shown the other's record."""
        if dialler == listener or listener in self.nodes[dialler].links:
            return
        self._incarnation[tuple(sorted((dialler, listener)))] += 1  # type: ignore[index]  # two ids are a pair
        self.nodes[dialler].links[listener] = True
        self.nodes[listener].links[dialler] = False
        for one, other, outbound in ((dialler, listener, True), (listener, dialler, False)):
            self.tell(one, PeerConnected(other, outbound, dialect))
            self.tell(one, RecordShown(other, b"record of " + other))

    def unlink(self, one: bytes, other: bytes) -> None:
        """Both learn of it at once; what is on its way is lost."""
        if self.nodes[one].links.pop(other, None) is None:
            return
        del self.nodes[other].links[one]
        self._incarnation[tuple(sorted((one, other)))] += 1  # type: ignore[index]  # two ids are a pair
        self.tell(one, PeerDisconnected(other))
        self.tell(other, PeerDisconnected(one))

    def publish(self, node_id: bytes, topic: str, data: bytes) -> bytes:
        """The message's id."""
        one = message_id(topic, data)
        self.nodes[node_id].delivered[one] = self.now_ms
        self.tell(node_id, Published(topic, data))
        return one

    def run(self, for_ms: int) -> None:
        """Everything that happens in this time."""
        end_ms = self.now_ms + for_ms
        while self._queue and self._queue[0][0] <= end_ms:
            self.now_ms, _, do = heapq.heappop(self._queue)
            do()
        self.now_ms = end_ms

    def tell(self, node_id: bytes, event: Event) -> None:
        """One event of one node, and all its effects."""
        node = self.nodes[node_id]
        for effect in node.router.handle(event, self.now_ms):
            node.log.append((self.now_ms, effect))
            self._do(node, effect)

    def reached(self, one: bytes) -> int:
        """How many nodes have it."""
        return sum([one in node.delivered for node in self.nodes.values()])

    def send(self, sender: bytes, receiver: bytes, rpc: Rpc) -> None:
        """As if the router of `sender` had said it."""
        pair = tuple(sorted((sender, receiver)))
        incarnation = self._incarnation[pair]  # type: ignore[index]  # two ids are a pair
        if self.loses(sender, receiver, rpc):
            return

        def arrive() -> None:
            if incarnation == self._incarnation[pair]:  # type: ignore[index]  # two ids are a pair
                self.nodes[receiver].copies.update([message_id(m.topic, m.data) for m in rpc.messages])
                self.tell(receiver, RpcReceived(sender, rpc))

        assert decode(encode(rpc)) == rpc
        self._at(self.now_ms + LATENCY_MS, arrive)

    def _do(self, node: NetNode, effect: Effect) -> None:
        match effect:
            case SendRpc(peer, rpc):
                assert peer in node.links, "an RPC for a peer that is not connected"
                self.send(node.node_id, peer, rpc)
            case Inspect():
                self._at(self.now_ms, lambda: self._judge(node, effect))
            case Count(name, label, n):
                node.counts[name, label] += n
            case Disconnect(peer):
                self._at(self.now_ms, lambda: self.unlink(node.node_id, peer))
            case Dial():
                node.dials.append(effect)
            case Unsend():
                pass  # nothing waits in these queues

    def _judge(self, node: NetNode, inspect: Inspect) -> None:
        judged = node.judge(inspect)
        if judged.verdict is Verdict.ACCEPT:
            node.delivered[inspect.message_id] = self.now_ms
        self.tell(node.node_id, judged)

    def _beat(self, node_id: bytes) -> None:
        self.tell(node_id, Heartbeat())
        self._at(self.now_ms + HEARTBEAT_MS, lambda: self._beat(node_id))

    def _at(self, when_ms: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when_ms, self._next, do))
        self._next += 1


def random_net(
    n: int,
    degree: int,
    topics: Iterable[str],
    *,
    seed: int = 1,
    parameters: RouterParameters | None = None,
    dialect: Dialect = Dialect.V1_2,
) -> RouterNet:
    """A ring, so that it hangs together, and random links until the mean degree is reached."""
    net = RouterNet(seed, parameters)
    topics = list(topics)
    ids = [net.add(topics) for _ in range(n)]
    for at, node_id in enumerate(ids):
        net.link(node_id, ids[(at + 1) % n], dialect)
    while sum([len(node.links) for node in net.nodes.values()]) < n * degree:
        net.link(ids[net.random.randrange(n)], ids[net.random.randrange(n)], dialect)
    return net
