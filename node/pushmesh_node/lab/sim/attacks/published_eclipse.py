"""Sybils that cut one node, the publishers or everybody off from honest peers, and that silence one origin."""

from collections.abc import Sequence

from ....gossip.wire.rpc import Message
from ..node import SimNode
from ..registry import attack
from ..sybil import Sybil
from .published_crowd import Crowd, Insiders, Ring

PUBLISHERS = 5


@attack("eclipse-node", "sybils surround one node in silence, and serve all others so well that these let go of it")
class EclipseNode(Insiders):
    """Whoever shares a mesh with the victim is given better members than it, so that the victim is shed; what the
    victim publishes is not forwarded either."""

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        self._victim = self.random.choice(self.world.nodes)

    def targets(self) -> Sequence[SimNode]:
        """See `Crowd`: the victim first."""
        return [self._victim, *[node for node in self.world.nodes if node is not self._victim]]

    def first_heard(self, message: Message, victim: SimNode) -> None:
        """See `Insiders`."""
        if victim is not self._victim:
            super().first_heard(message, victim)

    def forwards(self, ring: Ring, sybil: Sybil, message: Message) -> bool:
        """See `Insiders`."""
        return ring.victim is not self._victim


@attack("eclipse-network", "sybils surround every node, lure it into dialling them, and forward nothing")
class EclipseNetwork(Crowd):
    """More lures than any other: they aim at every connection that a node chooses itself."""

    most_lures = 120
    eager = 24


@attack("eclipse-publishers", "all sybils surround the nodes that publish, and forward nothing", publishers=PUBLISHERS)
class EclipsePublishers(Crowd):
    """So many around each that no seat stays free and none of its lures is used twice."""

    most_lures = 300
    eager = 32

    def targets(self) -> Sequence[SimNode]:
        """See `Crowd`."""
        return self.publishers


@attack("censor-origin", "sybils in all meshes forward everything but what one node publishes", publishers=PUBLISHERS)
class CensorOrigin(Insiders):
    """What the origin is the first to tell the crowd is taken for its own: it floods it to the sybils around it."""

    def first_heard(self, message: Message, victim: SimNode) -> None:
        """See `Insiders`."""
        if victim is not self.publishers[0]:
            super().first_heard(message, victim)
