"""Sybils whose hour is the attack: while nobody has a score yet, or when theirs is best."""

from ....gossip.wire.rpc import Message
from ..registry import attack
from ..sybil import Sybil
from ..terrain import Terrain
from .published_crowd import Crowd, Insiders, Ring

INFILTRATE_S = 10.0


@attack(
    "cold-boot",
    "sybils and honest nodes, each of which knows one of five bootstrap nodes, start together",
    bootstraps=1,
    begin_s=0.0,
    terrain=Terrain(well_known=5),
)
class ColdBoot(Crowd):
    """A node's seats are taken from the moment at which it listens."""

    tick_ms = 250


@attack("covert-flash", "sybils serve all nodes well for a minute, then all fall silent at once")
class CovertFlash(Insiders):
    """They come long before the attack, and earn what a peer can earn."""

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        self.world.clock.at(int(INFILTRATE_S * 1e6), self._infiltrate)

    def _infiltrate(self) -> None:
        if not self.active and not self.is_over:
            self.tick()
            self.world.clock.after(self.tick_ms * 1_000, self._infiltrate)

    def forwards(self, ring: Ring, sybil: Sybil, message: Message) -> bool:
        """See `Insiders`."""
        return not self.active


@attack("dawn", "sybils rush at every node as it starts, before anybody has a score, and are silent", begin_s=0.0)
class Dawn(Crowd):
    """Like the cold boot, but nodes know three others and nobody lays lures: all seats go at once."""

    tick_ms = 100
    eager = 48
    most_lures = 0


@attack("colocation", "sybils on few addresses take as many seats and places as they get, and forward nothing")
class Colocation(Crowd):
    """A hundred to an address."""

    per_host = 100
    tick_ms = 500
