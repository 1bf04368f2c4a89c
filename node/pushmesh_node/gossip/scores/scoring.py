"""What each peer's deeds are worth (gossipsub v1.1's score): P1, P2 and P4 by topic, P5 to P7 by peer.

P3 is left out: where a topic has little traffic, it punishes honest peers for silence. It decides nothing.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from ..parameters import ScoreParameters
from .decaying import DecaySteps
from .reputation import Reputation
from .retained import RetainedPeers

_BYTES_PER_KIB: Final = 1_024

DIRECT_SCORE: Final = 1_000.0
"""Of a direct peer, whatever it does: far above every threshold."""


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """Where a score comes from, in points, weights applied; only `total` knows the cap of the first two."""

    time_in_mesh: float = 0.0
    first_deliveries: float = 0.0
    invalid: float = 0.0
    app: float = 0.0
    colocation: float = 0.0
    behaviour: float = 0.0
    total: float = 0.0


class PeerScores:
    """Counts deeds and keeps what was bad beyond a disconnect, as it was, so that coming back washes nothing.

    A peer that nothing is known of has score 0, `direct` ones have always the same. `now_ms` never goes back."""

    def __init__(self, parameters: ScoreParameters, direct: Container[bytes] = ()) -> None:
        self._parameters = parameters
        self._direct = direct
        self._connected: dict[bytes, Reputation] = {}
        self._retained = RetainedPeers(parameters)
        self._apps: dict[bytes, float] = {}
        self._hosts: dict[str, set[bytes]] = {}  # connected peers
        self._steps = DecaySteps(parameters.decay_interval_ms)
        self._now_ms = 0  # when it was last told the time, for bad deeds of peers that left

    @property
    def retained(self) -> int:
        """How many disconnected peers are remembered."""
        return len(self._retained)

    # The score

    def of(self, peer: bytes) -> float:
        """The score as it is now; that of a disconnected peer while it is remembered."""
        if peer in self._direct:
            return DIRECT_SCORE
        held = self._connected.get(peer) or self._retained.get(peer)
        if held is None:
            return self._apps.get(peer, 0.0) * self._parameters.app_weight
        if held.score is None:
            held.score = self._parts(peer, held).total
        return held.score

    def parts(self, peer: bytes) -> ScoreParts:
        """The same with its reasons."""
        return self._parts(peer, self._find(peer) or Reputation())

    def _parts(self, peer: bytes, held: Reputation) -> ScoreParts:
        p, per_topic = self._parameters, self._parameters.topic
        time_in_mesh = first_deliveries = invalid = 0.0
        for topic in held.topics.values():
            # The longest of all: else whoever takes part in many topics would earn in each by being silent.
            time_in_mesh = max(time_in_mesh, min(topic.mesh_ms / 1_000, per_topic.time_in_mesh_cap))
            first_deliveries += topic.delivered_kib
            invalid += _squared(per_topic.invalid_weight, topic.invalid)
        time_in_mesh *= per_topic.time_in_mesh_weight * per_topic.weight
        first_deliveries *= per_topic.first_deliveries_weight * per_topic.weight
        invalid *= per_topic.weight
        app = self._apps.get(peer, 0.0) * p.app_weight
        colocation = _squared(p.colocation_weight, self._neighbours(held) - p.colocation_threshold)
        behaviour = _squared(p.behaviour_weight, held.behaviour - p.behaviour_threshold)
        # The cap is on what was earned alone: a store of good deeds must not pay for bad ones beyond it.
        total = min(time_in_mesh + first_deliveries, p.topic_score_cap) + invalid + app + colocation + behaviour
        return ScoreParts(time_in_mesh, first_deliveries, invalid, app, colocation, behaviour, total)

    def _neighbours(self, held: Reputation) -> int:
        return len(self._hosts[held.host]) if held.connected and held.host else 0

    # Comings and goings

    def connected(self, peer: bytes, host: str, now_ms: int) -> None:
        """It goes on where it left. Peers of one host count together; "" is a host of its own each time."""
        self._now_ms = now_ms
        if peer in self._connected:
            self.disconnected(peer, now_ms)
        held = self._retained.take(peer) or Reputation()
        held.host, held.connected = host, True
        self._connected[peer] = held
        self._move(peer, held, joins=True)

    def disconnected(self, peer: bytes, now_ms: int) -> None:
        """What was good is gone; what was bad stays for `retain_ms` and does not decay meanwhile."""
        held = self._connected.pop(peer, None)
        if held is None:
            return
        self._move(peer, held, joins=False)
        held.connected = False
        if held.forget_good():
            self._retained.keep(peer, held, now_ms, self.of)

    def _move(self, peer: bytes, held: Reputation, *, joins: bool) -> None:
        held.score = None
        if not held.host:
            return
        neighbours = self._hosts.setdefault(held.host, set())
        (neighbours.add if joins else neighbours.discard)(peer)
        for neighbour in neighbours:
            self._connected[neighbour].score = None
        if not neighbours:
            del self._hosts[held.host]

    def restore(self, peer: bytes, score_milli: int, now_ms: int) -> None:
        """What an earlier run thought of it, in thousandths; only what is below 0 counts, as behaviour (P7)."""
        p = self._parameters
        if score_milli >= 0 or p.behaviour_weight >= 0:
            return
        behaviour = p.behaviour_threshold + sqrt(score_milli / 1_000 / p.behaviour_weight)
        held = self._find(peer) or Reputation()
        held.behaviour = max(held.behaviour, behaviour)
        self._note(peer, held, now_ms)

    # Deeds

    def grafted(self, peer: bytes, topic: str, now_ms: int) -> None:
        """It is in the mesh of the topic (P1)."""
        held = self._connected.get(peer)
        if held is not None:
            at = held.at(topic, self._parameters.max_topics)
            at.grafted_ms = now_ms if at.grafted_ms is None else at.grafted_ms

    def pruned(self, peer: bytes, topic: str, now_ms: int) -> None:
        """It left the mesh of the topic; its time there is lost."""
        held = self._connected.get(peer)
        if held is not None:
            at = held.at(topic, self._parameters.max_topics)
            at.grafted_ms, at.mesh_ms = None, 0
            held.score = None

    def accepted(self, senders: Mapping[bytes, int], topic: str, new_bytes: int, now_ms: int) -> None:
        """A message was accepted with so many bytes of new items; `senders` sent it, each at its time (P2).

        Whoever came within `sharing_ms` behind the first has an equal share: the bytes are given away once, whoever
        is connected still, and rounding gives nothing."""
        if not senders:
            return
        first_ms = min(senders.values())
        sharing = [peer for peer, at_ms in senders.items() if at_ms - first_ms <= self._parameters.sharing_ms]
        share_kib = new_bytes // len(sharing) / _BYTES_PER_KIB
        for peer in sharing:
            held = self._connected.get(peer)
            if held is not None:
                at = held.at(topic, self._parameters.max_topics)
                at.delivered_kib = min(at.delivered_kib + share_kib, self._parameters.topic.first_deliveries_cap)
                held.score = None

    def rejected(self, senders: Iterable[bytes], topic: str) -> None:
        """They sent a message that any honest node REJECTs (P4); also those that left before the verdict."""
        for peer in set(senders):
            held = self._find(peer) or Reputation()
            held.at(topic, self._parameters.max_topics).invalid += 1
            self._note(peer, held, self._now_ms)

    def misbehaved(self, peer: bytes, count: float = 1.0) -> None:
        """It broke a promise, grafted in backoff, or sent what is no RPC (P7)."""
        held = self._find(peer) or Reputation()
        held.behaviour += count
        self._note(peer, held, self._now_ms)

    def set_app(self, peer: bytes, score_milli: int) -> None:
        """The node's own opinion (P5), in thousandths; it stays until the next one, connected or not."""
        self._apps.pop(peer, None)
        if score_milli:
            self._apps[peer] = score_milli / 1_000
        if len(self._apps) > self._parameters.max_retained:
            oldest = next((one for one in self._apps if one not in self._connected), peer)
            del self._apps[oldest]
        held = self._find(peer)
        if held is not None:
            held.score = None

    # Time

    def refresh(self, now_ms: int) -> None:
        """Call it each heartbeat: time in the mesh grows, counters decay, and retained peers are forgotten in time."""
        self._now_ms = now_ms
        for held in self._connected.values():
            for topic in held.topics.values():
                if topic.grafted_ms is not None:
                    topic.mesh_ms = now_ms - topic.grafted_ms
                    held.score = None
        steps = self._steps.due(now_ms)
        if steps:
            for held in self._connected.values():
                held.decay(self._parameters, steps)
            self._retained.forget_late(now_ms)

    # What is held

    def _find(self, peer: bytes) -> Reputation | None:
        return self._connected.get(peer) or self._retained.get(peer)

    def _note(self, peer: bytes, held: Reputation, now_ms: int) -> None:
        """A bad deed was counted; it is remembered of a peer that left too."""
        held.score = None
        if self._find(peer) is None:
            self._retained.keep(peer, held, now_ms, self.of)


def _squared(weight: float, count: float) -> float:
    return weight * count**2 if count > 0 else 0.0
