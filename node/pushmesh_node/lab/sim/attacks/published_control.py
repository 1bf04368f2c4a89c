"""Floods of control: GRAFT against the backoff, IDONTWANT, subscriptions, PRUNE with a backoff of ages."""

from ....gossip.wire.message_id import MESSAGE_ID_BYTES, message_id
from ....gossip.wire.rpc import Graft, Message, Prune, Rpc, Subscription
from ..registry import attack
from ..sybil import Sybil
from .published_crowd import Crowd, Insiders, Ring

MOST_BACKOFF_S = 2**62


@attack("graft-in-backoff", "sybils GRAFT again at once and without end where they were pruned or refused")
class GraftInBackoff(Crowd):
    """Whoever is thrown out for it is followed by the next identity."""

    tick_ms = 500

    def graft_again(self) -> None:
        """See `Crowd`: no backoff counts."""
        graft = Rpc(graft=(Graft(self.topics[0]),))
        for ring in self.rings.values():
            for sybil in ring.around:
                if sybil not in ring.mesh:
                    ring.mesh[sybil] = None
                    sybil.send(ring.victim, graft)


@attack(
    "idontwant-flood",
    "sybils refuse whatever is published before it arrives, and thousands of made-up ids",
    is_long=True,
)
class IDontWantFlood(Insiders):
    """Hundreds of ids from each sybil to each node in every second, and those of each new frame to all at once."""

    ids_per_rpc = 256

    def spread(self, message: Message) -> None:
        """See `Insiders`: a refusal in place of the frame."""
        refusal = Rpc(idontwant=(message_id(message.topic, message.data),))
        for ring in self.rings.values():
            for sybil in ring.around:
                sybil.send(ring.victim, refusal)

    def each_second(self) -> None:
        """See `Crowd`."""
        super().each_second()
        flood = Rpc(idontwant=tuple([self.random.randbytes(MESSAGE_ID_BYTES) for _ in range(self.ids_per_rpc)]))
        for ring in self.rings.values():
            for sybil in ring.around:
                sybil.send(ring.victim, flood)


@attack(
    "subscription-flood",
    "sybils join topics without number, and leave and join the one that matters all the time",
    is_long=True,
)
class SubscriptionFlood(Crowd):
    """Leaving a topic ends a place in its mesh without a backoff, so they try to make the victim graft them back."""

    names = 256
    flaps_per_second = 4

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        self._made_up = Rpc(
            subscriptions=tuple(
                [Subscription(True, f"/made-up/{number:04}/{'x' * 200}") for number in range(self.names)]
            )
        )
        self._leave = Rpc(subscriptions=(Subscription(False, self.topics[0]),))
        self._join = Rpc(subscriptions=(Subscription(True, self.topics[0]),))

    def enter(self, sybil: Sybil, ring: Ring) -> None:
        """See `Crowd`."""
        super().enter(sybil, ring)
        sybil.send(ring.victim, self._made_up)

    def each_second(self) -> None:
        """See `Crowd`."""
        super().each_second()
        for ring in self.rings.values():
            for sybil in ring.around:
                for _ in range(self.flaps_per_second):
                    sybil.send(ring.victim, self._leave)
                    sybil.send(ring.victim, self._join)
                ring.mesh.pop(sybil, None)


@attack("huge-backoff", "sybils crowd honest peers out of the meshes, then all leave these with a backoff of ages")
class HugeBackoff(Crowd):
    """While a mesh is full of them honest nodes refuse each other, with a backoff too; then the mesh is empty. Each
    identity is good for one such blow, so the next ones take the seats."""

    blow_every_ms = 8_000

    def begin(self) -> None:
        """See `Adversary`."""
        super().begin()
        self.every(self.blow_every_ms, self._blow)

    def _blow(self) -> None:
        prune = Rpc(prune=tuple([Prune(topic, (), MOST_BACKOFF_S) for topic in self.topics]))
        for ring in self.rings.values():
            for sybil in list(ring.around):
                sybil.send(ring.victim, prune)
                ring.backoffs[sybil] = MOST_BACKOFF_S  # a GRAFT of it would be punished
                self.world.clock.after(1_000_000, sybil.hang_up, ring.victim)
