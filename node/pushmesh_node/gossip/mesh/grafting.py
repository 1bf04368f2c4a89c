"""What peers ask of the mesh: GRAFT and PRUNE as they arrive (gossipsub v1.1)."""

from collections.abc import Iterable

from ..counts import (
    DIRECT_PEER,
    GRAFTED_BY_PEER,
    IN_BACKOFF,
    LOW_SCORE,
    MESH_FULL,
    PRUNED_BY_PEER,
    TOO_MANY_TOPICS,
    UNKNOWN_TOPIC,
)
from ..orders import Orders
from ..parameters import MeshParameters
from ..peers import Peer, Peers
from ..scores.scoring import PeerScores
from ..wire.rpc import Graft, Prune
from .backoff import Backoffs
from .exchange import Exchange
from .meshes import MS_PER_S, Meshes
from .standing import Standing


class Grafting:
    """Every refusal starts the backoff anew, so that asking again never helps."""

    def __init__(
        self,
        parameters: MeshParameters,
        peers: Peers,
        scores: PeerScores,
        meshes: Meshes,
        backoffs: Backoffs,
        exchange: Exchange,
        standing: Standing,
        orders: Orders,
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._meshes = meshes
        self._backoffs = backoffs
        self._exchange = exchange
        self._standing = standing
        self._orders = orders

    def take_grafts(self, peer: Peer, grafts: Iterable[Graft], now_ms: int) -> None:
        """Accepts or answers with a PRUNE; a GRAFT says that the peer takes part in the topic, too."""
        for graft in grafts:
            if peer.is_gone:
                return
            if graft.topic not in self._meshes:
                # Silence: an answer to whatever name comes would pay the sender (v1.1, spam protection).
                self._orders.count("grafts_refused", UNKNOWN_TOPIC)
            elif peer.node_id not in self._meshes.of(graft.topic):
                self._take_graft(peer, graft.topic, now_ms)

    def _take_graft(self, peer: Peer, topic: str, now_ms: int) -> None:
        name = peer.node_id
        if peer.is_direct:
            self._refuse(peer, topic, now_ms, DIRECT_PEER)
        elif self._scores.of(name) < 0:
            self._refuse(peer, topic, now_ms, LOW_SCORE)
        elif (backoff := self._backoffs.running(name, topic, now_ms)) is not None:
            is_flood = now_ms - backoff.since_ms < self._parameters.graft_flood_ms
            self._scores.misbehaved(name, 2.0 if is_flood else 1.0)
            self._refuse(peer, topic, now_ms, IN_BACKOFF)
            self._standing.look((name,), now_ms)
        elif not self._peers.subscribe(peer, topic):
            self._refuse(peer, topic, now_ms, TOO_MANY_TOPICS)
        elif len(self._meshes.of(topic)) < self._parameters.d_high or peer.outbound:
            self._meshes.admit(topic, peer, now_ms, GRAFTED_BY_PEER)
        else:
            self._take_into_full(peer, topic, now_ms)

    def _take_into_full(self, peer: Peer, topic: str, now_ms: int) -> None:
        """In place of the worst member, if that is much worse: else whoever comes first and brings nothing could keep
        all others out for as long as it likes."""
        worst = min(self._meshes.of(topic), key=self._scores.of)
        if self._scores.of(peer.node_id) < self._scores.of(worst) + self._parameters.displacing_points:
            self._refuse(peer, topic, now_ms, MESH_FULL)
            return
        exchange, backoff_ms = self._exchange.offer(topic, worst, now_ms), self._parameters.full_backoff_ms
        self._meshes.prune(topic, worst, now_ms, MESH_FULL, exchange=exchange, backoff_ms=backoff_ms)
        self._meshes.admit(topic, peer, now_ms, GRAFTED_BY_PEER)

    def _refuse(self, peer: Peer, topic: str, now_ms: int, why: str) -> None:
        self._orders.count("grafts_refused", why)
        if why is MESH_FULL:  # not for long: it may prove better than a member
            exchange, backoff_ms = self._exchange.offer(topic, peer.node_id, now_ms), self._parameters.full_backoff_ms
            self._meshes.refuse(topic, peer.node_id, now_ms, exchange=exchange, backoff_ms=backoff_ms)
        else:
            self._meshes.refuse(topic, peer.node_id, now_ms)

    def take_prunes(self, peer: Peer, prunes: Iterable[Prune], now_ms: int) -> None:
        """The peer need not be in the mesh: it may refuse a GRAFT, or both pruned at once."""
        p = self._parameters
        for prune in prunes:
            if prune.topic not in self._meshes:
                continue
            self._meshes.drop(prune.topic, peer.node_id, now_ms, PRUNED_BY_PEER)
            backoff_ms = min(prune.backoff_s * MS_PER_S, p.max_backoff_ms) if prune.backoff_s else p.prune_backoff_ms
            self._backoffs.add(peer.node_id, prune.topic, now_ms, backoff_ms)
            self._exchange.take(peer.node_id, prune)
