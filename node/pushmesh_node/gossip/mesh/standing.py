"""What a low score leads to at once: below 0 out of every mesh, below the graylist threshold out of the door."""

from collections.abc import Callable, Iterable

from ..counts import GRAYLISTED
from ..effects import Disconnect
from ..orders import Orders
from ..parameters import ScoreParameters
from ..peers import Peers
from ..scores.scoring import PeerScores
from .meshes import Meshes


class Standing:
    """`let_go` forgets a peer that must leave; its disconnection is ordered here."""

    def __init__(
        self,
        parameters: ScoreParameters,
        peers: Peers,
        scores: PeerScores,
        meshes: Meshes,
        orders: Orders,
        let_go: Callable[[bytes, int], None],
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._meshes = meshes
        self._orders = orders
        self._let_go = let_go

    def look(self, names: Iterable[bytes], now_ms: int) -> None:
        """After anything that may have lowered a score."""
        for name in names:
            score = self._scores.of(name)
            if score >= 0 or self._peers.get(name) is None:
                continue
            if score < self._parameters.graylist_threshold:
                self._let_go(name, now_ms)
                self._orders.do(Disconnect(name, GRAYLISTED))
            else:
                self._meshes.expel(name, now_ms)
