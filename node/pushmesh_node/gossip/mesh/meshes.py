"""The mesh of each topic that this node takes part in: who is in it, and this node's own moves (GRAFT and PRUNE)."""

from collections.abc import Iterable

from ..choosing import sample
from ..counts import DISCONNECTED, GRAFTED, LOW_SCORE, TOPIC_LEFT
from ..orders import Orders
from ..parameters import MeshParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..scores.scoring import PeerScores
from ..wire.rpc import ExchangedPeer, Prune
from .backoff import Backoffs

MS_PER_S = 1_000


class Meshes:
    """A mesh holds connected peers that take part in its topic, and nobody else."""

    def __init__(
        self,
        parameters: MeshParameters,
        peers: Peers,
        scores: PeerScores,
        backoffs: Backoffs,
        randomness: Randomness,
        orders: Orders,
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._backoffs = backoffs
        self._randomness = randomness
        self._orders = orders
        self._meshes: dict[str, dict[bytes, Peer]] = {}

    def __contains__(self, topic: str) -> bool:
        """Whether this node takes part in it."""
        return topic in self._meshes

    def topics(self) -> list[str]:
        """Those this node takes part in."""
        return list(self._meshes)

    def of(self, topic: str) -> dict[bytes, Peer]:
        """The mesh, in the order in which it came to be; empty without part in the topic. Read it only."""
        return self._meshes.get(topic) or {}

    # Topics

    def join(self, topic: str, preferred: Iterable[bytes], now_ms: int) -> None:
        """Grafts up to D peers, those of the fanout first."""
        self._meshes[topic] = {}
        fit = {peer.node_id: peer for peer in self.candidates(topic, now_ms)}
        first = [fit.pop(name) for name in preferred if name in fit][: self._parameters.d]
        for peer in first + sample(self._randomness, fit.values(), self._parameters.d - len(first)):
            self.graft(topic, peer, now_ms)

    def leave(self, topic: str, now_ms: int) -> None:
        """Prunes everybody, for a short time."""
        for name in list(self._meshes[topic]):
            self.prune(topic, name, now_ms, TOPIC_LEFT, backoff_ms=self._parameters.unsubscribe_backoff_ms)
        del self._meshes[topic]

    # Moves

    def candidates(self, topic: str, now_ms: int) -> list[Peer]:
        """Whom this node may graft: outside the mesh, not direct, not below score 0, not in backoff."""
        subscribers = self._peers.of_topic(topic).values()
        return [peer for peer in subscribers if self.may_graft(topic, peer, now_ms)]

    def may_graft(self, topic: str, peer: Peer, now_ms: int) -> bool:
        """Whether a peer that takes part in the topic is a candidate."""
        name = peer.node_id
        return (
            not peer.is_direct
            and name not in self._meshes[topic]
            and self._scores.of(name) >= 0
            and self._backoffs.allows_graft(name, topic, now_ms)
        )

    def graft(self, topic: str, peer: Peer, now_ms: int) -> None:
        """Takes a candidate in, and tells it."""
        self.admit(topic, peer, now_ms, GRAFTED)
        self._orders.graft(peer.node_id, topic)

    def admit(self, topic: str, peer: Peer, now_ms: int, why: str) -> None:
        """Takes a peer in without a word; it subscribed to the topic."""
        self._meshes[topic][peer.node_id] = peer
        self._scores.grafted(peer.node_id, topic, now_ms)
        self._orders.count("mesh_joins", why)

    def prune(
        self,
        topic: str,
        name: bytes,
        now_ms: int,
        why: str,
        *,
        exchange: tuple[ExchangedPeer, ...] = (),
        backoff_ms: int | None = None,
    ) -> None:
        """Drops a member, and tells it."""
        self.drop(topic, name, now_ms, why)
        self.refuse(topic, name, now_ms, exchange=exchange, backoff_ms=backoff_ms)

    def refuse(
        self,
        topic: str,
        name: bytes,
        now_ms: int,
        *,
        exchange: tuple[ExchangedPeer, ...] = (),
        backoff_ms: int | None = None,
    ) -> None:
        """PRUNE with a backoff, which begins anew."""
        backoff_ms = self._parameters.prune_backoff_ms if backoff_ms is None else backoff_ms
        self._backoffs.add(name, topic, now_ms, backoff_ms)
        self._orders.prune(name, Prune(topic, exchange, backoff_ms // MS_PER_S))

    def drop(self, topic: str, name: bytes, now_ms: int, why: str) -> bool:
        """Out of the mesh without a word; False if it was not in it."""
        if self.of(topic).get(name) is None:
            return False
        self._meshes[topic].pop(name).chokes.pop(topic, None)
        self._scores.pruned(name, topic, now_ms)
        self._orders.count("mesh_leaves", why)
        return True

    # Everywhere

    def expel(self, name: bytes, now_ms: int) -> None:
        """Its score is below 0: out of every mesh, and without recommendations."""
        for topic, mesh in self._meshes.items():
            if name in mesh:
                self.prune(topic, name, now_ms, LOW_SCORE)

    def forget(self, name: bytes) -> None:
        """It is gone."""
        for mesh in self._meshes.values():
            if mesh.pop(name, None) is not None:
                self._orders.count("mesh_leaves", DISCONNECTED)
