"""Peer exchange (gossipsub v1.1): whom a PRUNE recommends, and whose recommendations are followed."""

from ..choosing import sample, shuffled
from ..counts import LOW_SCORE, NO_RECORD, TOO_MANY
from ..effects import Dial
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peers
from ..randomness import Randomness
from ..scores.scoring import PeerScores
from ..wire.node_ids import from_peer_id, to_peer_id
from ..wire.rpc import ExchangedPeer, Prune


class Exchange:
    """Both directions; at most so many dials a heartbeat, whoever asks for them."""

    def __init__(
        self, parameters: RouterParameters, peers: Peers, scores: PeerScores, randomness: Randomness, orders: Orders
    ) -> None:
        self._most = parameters.mesh.exchanged_peers
        self._again_ms = parameters.mesh.exchange_again_ms
        self._threshold = parameters.score.accept_px_threshold
        self._peers = peers
        self._scores = scores
        self._randomness = randomness
        self._orders = orders
        self._dials_left = self._most

    def offer(self, topic: str, pruned: bytes, now_ms: int) -> tuple[ExchangedPeer, ...]:
        """Random peers of the topic in good standing, whose signed records are known. Nothing where this peer was
        offered some lately: a GRAFT of a few bytes must not draw kilobytes each time."""
        asker = self._peers.get(pruned)
        if asker is None or now_ms < asker.offered_until_ms:
            return ()
        asker.offered_until_ms = now_ms + self._again_ms
        known = [
            peer
            for name, peer in self._peers.of_topic(topic).items()
            if peer.record and name != pruned and self._scores.of(name) >= 0
        ]
        chosen = sample(self._randomness, known, self._most)
        return tuple(ExchangedPeer(to_peer_id(peer.node_id), peer.record) for peer in chosen)

    def take(self, name: bytes, prune: Prune) -> None:
        """Only a peer that has earned it makes this node dial; the driver checks the records' signatures."""
        if not prune.peers:
            return
        if self._scores.of(name) < self._threshold:
            self._orders.count("exchanges_dropped", LOW_SCORE, len(prune.peers))
            return
        for offered in shuffled(self._randomness, prune.peers):
            node_id = from_peer_id(offered.peer_id)
            if node_id is None or not offered.record:
                self._orders.count("exchanges_dropped", NO_RECORD)
            elif self._peers.get(node_id) is not None:
                continue  # there already
            elif not self._dials_left:
                self._orders.count("exchanges_dropped", TOO_MANY)
            else:
                self._dials_left -= 1
                self._orders.do(Dial(node_id, offered.record))

    def refill(self) -> None:
        """Each heartbeat."""
        self._dials_left = self._most
