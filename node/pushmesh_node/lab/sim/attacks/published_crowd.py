"""What most published attacks begin with: a crowd that takes every seat the gates leave and every place in the meshes,
and holds both. Registers no attack."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from ....gossip.wire.rpc import Graft, Message, Prune, Rpc, Subscription
from ....sync.words import Hello, Question
from ..adversary import Adversary
from ..node import SimNode
from ..sybil import Sybil
from ..wire import Payload
from ..world import World

UNSAID_BACKOFF_S = 60
"""What a PRUNE means that names no backoff."""

BACKBONE_MS = 10
"""Sybils tell each other faster than honest nodes can."""

FRAMES_KEPT = 256


@dataclass(slots=True, eq=False)
class Ring:
    """The crowd around one victim. Sybils stand in dicts, as nothing may depend on the order of a set."""

    victim: SimNode
    waiting: dict[Sybil, None]
    around: dict[Sybil, None] = field(default_factory=dict)
    mesh: dict[Sybil, None] = field(default_factory=dict)
    """Those in its mesh of the topic that carries the traffic, as far as they know."""

    backoffs: dict[Sybil, int] = field(default_factory=dict)
    lures: dict[Sybil, None] = field(default_factory=dict)
    """Those that leave their address, and are there when the victim dials it."""

    def take(self, count: int) -> list[Sybil]:
        """Take so many out of those that wait."""
        taken = list(islice(self.waiting, max(0, count)))
        for sybil in taken:
            del self.waiting[sybil]
        return taken

    def may_graft(self, sybil: Sybil, now_ms: int) -> bool:
        """Outside the mesh and in no backoff."""
        return sybil not in self.mesh and self.backoffs.get(sybil, 0) <= now_ms


class Crowd(Adversary):
    """Each host has as many sybils as P6 lets pass unpunished. They dial each victim while it has seats, and go on
    knocking; they GRAFT wherever no backoff runs. What they hear they keep to themselves.

    Some connect only to leave their address and wait for the victim to dial it: then it takes them for peers of its own
    choice, whose GRAFT no full mesh refuses, and each such GRAFT makes a mesh shed members of which some are honest.
    One that is shed makes room for the next."""

    per_host = 5
    seats = 256
    """Connections to a victim, beyond which nobody dials it."""

    most_lures = 40
    """Around one victim. Until they are laid the crowd leaves seats free, as whoever is refused leaves no address."""

    free_for_lures = 20

    eager, knocks = 16, 2
    """Dials of a victim, at each tick while most seats are free, and each second afterwards."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._ticks = 0
        self.rings: dict[bytes, Ring] = {}
        """By the victim's id; empty until the first dial."""

    # Hooks

    def targets(self) -> Sequence[SimNode]:
        """Whom the crowd surrounds."""
        return self.world.nodes

    def prepare(self) -> None:
        """See `Adversary`."""
        self.add_sybils(self.count, self.per_host)

    def begin(self) -> None:
        """See `Adversary`."""
        self.storm(self.knocks)

    def tick(self) -> None:
        """See `Adversary`: rushes for seats at each tick, all else about once a second."""
        self._ticks += 1
        is_second = self._ticks % max(1, 1_000 // self.tick_ms) == 0
        self.storm(knocks=self.knocks if is_second else 0)
        if is_second:
            self.each_second()

    def each_second(self) -> None:
        """What else the crowd does."""
        self.graft_again()

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        """See `Adversary`."""
        ring = self.ring(victim)
        ring.waiting.pop(sybil, None)
        if sybil in ring.lures and not is_chosen(sybil, victim):
            sybil.hang_up(victim)
            return
        ring.around[sybil] = None
        self.enter(sybil, ring)

    def lets_in(self, sybil: Sybil, victim: SimNode) -> bool:
        """See `Adversary`: whoever could not GRAFT at once is no use as a peer of the victim's choice."""
        return super().lets_in(sybil, victim) and self.ring(victim).may_graft(sybil, self.world.clock.now_ms)

    def on_refused(self, sybil: Sybil, victim: SimNode) -> None:
        """See `Adversary`."""
        ring = self.ring(victim)
        ring.lures.pop(sybil, None)
        if victim.node_id not in sybil.links:
            ring.waiting[sybil] = None

    def on_disconnected(self, sybil: Sybil, victim: SimNode, reason: str) -> None:
        """See `Adversary`."""
        ring = self.ring(victim)
        ring.around.pop(sybil, None)
        ring.mesh.pop(sybil, None)
        if sybil not in ring.lures:
            ring.waiting[sybil] = None

    def ignores(self, payload: Payload) -> bool:
        """See `Adversary`: announcements, subscriptions and questions. Nobody in the crowd answers these."""
        if not isinstance(payload, Rpc):
            return isinstance(payload, Question | Hello)
        return not (payload.messages or payload.graft or payload.prune or payload.iwant)

    def on_rpc(self, sybil: Sybil, victim: SimNode, rpc: Rpc) -> None:
        """See `Adversary`."""
        if rpc.graft or rpc.prune:
            self._keep_mesh(sybil, self.ring(victim), rpc.graft, rpc.prune)

    def _keep_mesh(self, sybil: Sybil, ring: Ring, grafts: Sequence[Graft], prunes: Sequence[Prune]) -> None:
        topic = self.topics[0]
        if any(graft.topic == topic for graft in grafts):
            ring.mesh[sybil] = None
        for prune in prunes:
            if prune.topic == topic:
                ring.mesh.pop(sybil, None)
                ring.backoffs[sybil] = self.world.clock.now_ms + 1_000 * (prune.backoff_s or UNSAID_BACKOFF_S)
                if is_chosen(sybil, ring.victim):
                    sybil.hang_up(ring.victim)

    # Seats and places

    def ring(self, victim: SimNode) -> Ring:
        """The crowd around it; each victim is dialled by the sybils in an order of its own."""
        ring = self.rings.get(victim.node_id)
        if ring is None:
            first = victim.number * len(self.sybils) // max(1, len(self.world.nodes))
            order = self.sybils[first:] + self.sybils[:first]
            ring = self.rings[victim.node_id] = Ring(victim, dict.fromkeys(order))
        return ring

    def enter(self, sybil: Sybil, ring: Ring) -> None:
        """Take part in all topics, and be in the mesh of the one that matters at once."""
        joined = tuple([Subscription(True, topic) for topic in self.topics])
        graft: tuple[Graft, ...] = ()
        if ring.may_graft(sybil, self.world.clock.now_ms):
            graft = (Graft(self.topics[0]),)
            ring.mesh[sybil] = None
        sybil.send(ring.victim, Rpc(subscriptions=joined, graft=graft))

    def storm(self, knocks: int) -> None:
        """Dial whoever has seats free, and so often whoever may have."""
        for victim in self.targets():
            ring = self.ring(victim)
            dials = self.eager if len(ring.around) < self.seats * 2 // 3 else knocks
            lures = min(self.most_lures - len(ring.lures), dials // 2)
            for sybil in ring.take(lures):
                ring.lures[sybil] = None
                self.connect(sybil, victim)
            most = self.seats - (self.free_for_lures if lures else 0)
            for sybil in ring.take(min(dials - lures, most - len(ring.around))):
                self.connect(sybil, victim)

    def graft_again(self) -> None:
        """GRAFT from outside a mesh where no backoff forbids it."""
        graft, now_ms = Rpc(graft=(Graft(self.topics[0]),)), self.world.clock.now_ms
        for ring in self.rings.values():
            for sybil in ring.around:
                if ring.may_graft(sybil, now_ms):
                    ring.mesh[sybil] = None
                    sybil.send(ring.victim, graft)


def is_chosen(sybil: Sybil, victim: SimNode) -> bool:
    """Whether the victim dialled this sybil."""
    link = sybil.links.get(victim.node_id)
    return link is not None and link.dialler is victim


class Insiders(Crowd):
    """A crowd that forwards like honest nodes, only faster, and so earns scores; `forwards` decides what it withholds.

    All of them hear of a frame as soon as one does, and each sends it to every victim in whose mesh it is."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self.holders: dict[bytes, set[bytes]] = {}
        """For each frame the victims that have it, as far as the crowd knows; the oldest frame is forgotten first."""

    def forwards(self, ring: Ring, sybil: Sybil, message: Message) -> bool:
        """Whether this sybil sends a frame to the victim of this ring."""
        return True

    def on_rpc(self, sybil: Sybil, victim: SimNode, rpc: Rpc) -> None:
        """See `Adversary`."""
        super().on_rpc(sybil, victim, rpc)
        for message in rpc.messages:
            holders = self.holders.get(message.data)
            if holders is None:
                holders = self.holders[message.data] = set()
                self.first_heard(message, victim)
                if len(self.holders) > FRAMES_KEPT:
                    del self.holders[next(iter(self.holders))]
            holders.add(victim.node_id)

    def first_heard(self, message: Message, victim: SimNode) -> None:
        """The first sybil was sent a frame, by this victim."""
        self.world.clock.after(BACKBONE_MS * 1_000, self.spread, message)

    def spread(self, message: Message) -> None:
        """Send a frame wherever it is not known yet."""
        rpc, holders = Rpc(messages=(message,)), self.holders.get(message.data, set())
        for ring in self.rings.values():
            if ring.victim.node_id not in holders:
                for sybil in ring.mesh:
                    if self.forwards(ring, sybil, message):
                        sybil.send(ring.victim, rpc)
