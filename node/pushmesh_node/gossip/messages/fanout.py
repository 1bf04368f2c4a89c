"""Topics that this node publishes to without taking part in them (gossipsub v1.0's fanout). Bounded and forgetful."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..choosing import sample
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..scores.scoring import PeerScores


@dataclass(slots=True)
class _Topic:
    last_ms: int
    peers: dict[bytes, None] = field(default_factory=dict)


class Fanout:
    """The same few peers get what is published to a topic while it is in use."""

    def __init__(self, parameters: RouterParameters, peers: Peers, scores: PeerScores, randomness: Randomness) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._randomness = randomness
        self._topics: dict[str, _Topic] = {}

    def topics(self) -> list[str]:
        """Those in use."""
        return list(self._topics)

    def members(self, topic: str) -> Iterable[bytes]:
        """Whom its messages go to; [] for a topic that is not in use."""
        held = self._topics.get(topic)
        return list(held.peers) if held is not None else []

    def use(self, topic: str, now_ms: int) -> None:
        """Something is published to it; the topic that was used longest ago makes room."""
        held = self._topics.pop(topic, None) or _Topic(now_ms)
        held.last_ms = now_ms
        self._topics[topic] = held
        if len(self._topics) > self._parameters.limits.max_fanout_topics:
            del self._topics[next(iter(self._topics))]
        self._fill(topic, held)

    def end(self, topic: str) -> list[bytes]:
        """The node takes part in it now: whom it was sent to."""
        members = list(self.members(topic))
        self._topics.pop(topic, None)
        return members

    def maintain(self, now_ms: int) -> None:
        """Each heartbeat: topics end, peers that left or lost trust go, others come."""
        for topic, held in list(self._topics.items()):
            if now_ms - held.last_ms >= self._parameters.mesh.fanout_ttl_ms:
                del self._topics[topic]
                continue
            subscribers = self._peers.of_topic(topic)
            held.peers = {name: None for name in held.peers if name in subscribers and self._is_trusted(name)}
            self._fill(topic, held)

    def _fill(self, topic: str, held: _Topic) -> None:
        missing = self._parameters.mesh.d - len(held.peers)
        if missing <= 0:
            return
        others: Iterable[Peer] = self._peers.of_topic(topic).values()
        names = [peer.node_id for peer in others if peer.node_id not in held.peers and self._is_trusted(peer.node_id)]
        held.peers.update(dict.fromkeys(sample(self._randomness, names, missing)))

    def _is_trusted(self, name: bytes) -> bool:
        return self._scores.of(name) >= self._parameters.score.publish_threshold
