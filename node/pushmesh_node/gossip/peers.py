"""Who is connected, and which topics they take part in. It judges nobody and sends nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .wire.dialects import Dialect


@dataclass(slots=True)
class Spent:
    """What a peer used up since the last heartbeat."""

    ihaves: int = 0
    ihave_ids: int = 0
    iwant_ids: int = 0
    iwant_bytes: int = 0
    idontwants: int = 0
    idontwant_ids: int = 0


class Unwanted:
    """Message ids that a peer does not want, by the heartbeat in which it said so: a flood of them is forgotten in one
    step."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: list[set[bytes]] = [set()]  # the latest heartbeat is first

    def __contains__(self, message_id: bytes) -> bool:
        return any([message_id in ids for ids in self._ids])

    def add(self, message_ids: Iterable[bytes]) -> None:
        """Said just now."""
        self._ids[0].update(message_ids)

    def shift(self, heartbeats: int) -> None:
        """A heartbeat passed; what was said so many ago is forgotten."""
        if len(self._ids) > 1 or self._ids[0]:
            self._ids = [set(), *self._ids[: heartbeats - 1]]
            if not any(self._ids):
                del self._ids[1:]


@dataclass(slots=True, eq=False)
class Peer:
    """A connected peer. `origin` is what the gater knows it by; `is_gone` once it left or must leave."""

    node_id: bytes
    outbound: bool
    dialect: Dialect
    origin: str
    record: bytes = b""
    is_gone: bool = False
    offered_until_ms: int = -1  # until when it is offered no peers again
    doubted_until_ms: int = 0  # it broke a promise lately
    is_fickle: bool = False  # it left a topic before
    is_direct: bool = False  # by the operator's agreement with its own: see `RouterParameters.direct`
    topics: dict[str, None] = field(default_factory=dict)  # in a dict, as nothing here may depend on a set's order
    announced: dict[str, int] = field(default_factory=dict)  # topic -> heartbeat of the last IHAVE to it
    unwanted: Unwanted = field(default_factory=Unwanted)
    owed: dict[bytes, None] = field(default_factory=dict)  # ids it asked for, to be answered after the next heartbeat
    chokes: dict[str, None] = field(default_factory=dict)  # topics of which it wants announcements only
    spent: Spent = field(default_factory=Spent)


class Peers:
    """By node id and by topic, in the order in which they came."""

    def __init__(self, max_topics_per_peer: int) -> None:
        self._max_topics = max_topics_per_peer
        self._peers: dict[bytes, Peer] = {}
        self._by_topic: dict[str, dict[bytes, Peer]] = {}
        self._direct: dict[bytes, Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, node_id: bytes) -> Peer | None:
        """None for who is not connected."""
        return self._peers.get(node_id)

    def all(self) -> list[Peer]:
        """A copy: the caller may let peers go meanwhile."""
        return list(self._peers.values())

    def of_topic(self, topic: str) -> dict[bytes, Peer]:
        """Those who take part in it. Read it only."""
        return self._by_topic.get(topic) or {}

    def direct_of(self, topic: str) -> dict[bytes, Peer]:
        """The direct peers among them."""
        return {name: peer for name, peer in self._direct.items() if topic in peer.topics} if self._direct else {}

    def add(self, peer: Peer) -> None:
        """Not connected before."""
        self._peers[peer.node_id] = peer
        if peer.is_direct:
            self._direct[peer.node_id] = peer

    def remove(self, node_id: bytes) -> Peer | None:
        """It is gone, with its subscriptions."""
        peer = self._peers.pop(node_id, None)
        self._direct.pop(node_id, None)
        if peer is not None:
            peer.is_gone = True
            for topic in list(peer.topics):
                self.unsubscribe(peer, topic)
        return peer

    def subscribe(self, peer: Peer, topic: str) -> bool:
        """False if the peer takes part in too many topics already."""
        if topic in peer.topics:
            return True
        if len(peer.topics) >= self._max_topics:
            return False
        peer.topics[topic] = None
        self._by_topic.setdefault(topic, {})[peer.node_id] = peer
        return True

    def unsubscribe(self, peer: Peer, topic: str) -> None:
        """No effect where it took no part."""
        if topic not in peer.topics:
            return
        del peer.topics[topic]
        peer.is_fickle = True
        peer.announced.pop(topic, None)
        others = self._by_topic[topic]
        del others[peer.node_id]
        if not others:
            del self._by_topic[topic]
