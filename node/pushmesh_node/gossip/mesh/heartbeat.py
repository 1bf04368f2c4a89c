"""Mesh maintenance (gossipsub v1.1): each heartbeat top up, shed, keep some dialled peers, graft better ones.

Whoever fell below 0 is out of the mesh already (see `standing`).
"""

from statistics import median

from ..choosing import sample, shuffled
from ..counts import MESH_FULL
from ..parameters import RouterParameters
from ..peers import Peer
from ..randomness import Randomness
from ..scores.scoring import PeerScores
from .exchange import Exchange
from .meshes import Meshes


class Maintenance:
    """One step for each topic and heartbeat; after it no mesh is too large, and none smaller than it must be."""

    def __init__(
        self,
        parameters: RouterParameters,
        scores: PeerScores,
        meshes: Meshes,
        exchange: Exchange,
        randomness: Randomness,
    ) -> None:
        self._parameters = parameters.mesh
        self._median_threshold = parameters.score.opportunistic_graft_threshold
        self._scores = scores
        self._meshes = meshes
        self._exchange = exchange
        self._randomness = randomness
        self._beats = 0

    def maintain(self, now_ms: int) -> None:
        """All topics."""
        self._beats += 1
        for topic in self._meshes.topics():
            size = len(self._meshes.of(topic))
            if size < self._parameters.d_low:
                self._graft(topic, self._meshes.candidates(topic, now_ms), self._parameters.d - size, now_ms)
            elif size > self._parameters.d_high:
                self._shed(topic, now_ms)
            self._keep_dialled(topic, now_ms)
            if self._beats % self._parameters.opportunistic_graft_heartbeats == 0:
                self._graft_better(topic, now_ms)

    def welcome(self, topic: str, peer: Peer, now_ms: int) -> None:
        """A peer takes part now. One that this node dialled need not wait for the heartbeat while there is want."""
        is_short = len(self._meshes.of(topic)) < self._parameters.d_low
        if peer.outbound and not peer.is_fickle and is_short and self._meshes.may_graft(topic, peer, now_ms):
            self._meshes.graft(topic, peer, now_ms)

    def _graft(self, topic: str, candidates: list[Peer], n: int, now_ms: int) -> None:
        for peer in sample(self._randomness, candidates, n):
            self._meshes.graft(topic, peer, now_ms)

    def _shed(self, topic: str, now_ms: int) -> None:
        """Down to D: the best stay, then chance decides, so that no score buys every place; some were dialled."""
        p = self._parameters
        ranked = shuffled(self._randomness, self._meshes.of(topic).values())
        ranked.sort(key=lambda peer: -self._scores.of(peer.node_id))
        best, others = ranked[: p.d_score], shuffled(self._randomness, ranked[p.d_score :])
        missing = p.d_out - sum([peer.outbound for peer in best])
        by_quota = [peer for peer in others if peer.outbound][: max(0, missing)]
        chosen = by_quota + [peer for peer in others if peer not in by_quota]
        for peer in chosen[p.d - len(best) :]:
            offered = self._exchange.offer(topic, peer.node_id, now_ms)
            backoff_ms = p.full_backoff_ms
            self._meshes.prune(topic, peer.node_id, now_ms, MESH_FULL, exchange=offered, backoff_ms=backoff_ms)

    def _keep_dialled(self, topic: str, now_ms: int) -> None:
        """Some members were dialled by this node: whoever dials it may be sent by one attacker."""
        mesh = self._meshes.of(topic)
        missing = self._parameters.d_out - sum([peer.outbound for peer in mesh.values()])
        if missing > 0:
            dialled = [peer for peer in self._meshes.candidates(topic, now_ms) if peer.outbound]
            self._graft(topic, dialled, missing, now_ms)

    def _graft_better(self, topic: str, now_ms: int) -> None:
        """Where most members deliver little, others that did better come in beside them."""
        mesh = self._meshes.of(topic)
        if len(mesh) <= 1:
            return
        middle = median([self._scores.of(name) for name in mesh])
        if middle >= self._median_threshold:
            return
        least = middle + self._parameters.displacing_points  # else the other end, if it is full, would refuse as well
        better = [peer for peer in self._meshes.candidates(topic, now_ms) if self._scores.of(peer.node_id) >= least]
        self._graft(topic, better, self._parameters.opportunistic_graft_peers, now_ms)
