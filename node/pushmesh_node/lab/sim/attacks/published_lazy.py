"""Abuse of lazy gossip: announcements that are lies, and requests without end."""

from itertools import islice

from pushmesh_protocol.codec import pack

from ....gossip.wire.message_id import MESSAGE_ID_BYTES, message_id
from ....gossip.wire.rpc import IHave, Message, Rpc
from ....sync.words import Answer, Hello, Sorry, Word
from ..leech import Leech
from ..node import SimNode
from ..registry import attack
from ..sybil import Sybil
from ..wire import Payload
from ..world import World
from .published_crowd import Crowd, Insiders, Ring

REMEMBERED = 32
"""Frames that the crowd announces or asks for: about as many as a node remembers."""


@attack(
    "ihave-lies",
    "sybils announce at once whatever is published, and much that is not, and deliver nothing",
    is_long=True,
)
class IHaveLies(Insiders):
    """All hear of a frame as soon as one does, so a victim is promised it by many before an honest peer announces it.
    Whoever was asked a few times, and so broke a few promises, makes room for the next identity."""

    made_up = 96
    asked_at_most = 4

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._asked: dict[tuple[Sybil, bytes], int] = {}

    def spread(self, message: Message) -> None:
        """See `Insiders`: a promise in place of the frame."""
        lie = Rpc(ihave=(IHave(message.topic, (message_id(message.topic, message.data),)),))
        for ring in self.rings.values():
            for sybil in ring.around:
                sybil.send(ring.victim, lie)

    def each_second(self) -> None:
        """See `Crowd`."""
        super().each_second()
        ids = tuple([self.random.randbytes(MESSAGE_ID_BYTES) for _ in range(self.made_up)])
        lie = Rpc(ihave=(IHave(self.topics[0], ids),))
        for ring in self.rings.values():
            for sybil in ring.around:
                sybil.send(ring.victim, lie)

    def on_rpc(self, sybil: Sybil, victim: SimNode, rpc: Rpc) -> None:
        """See `Adversary`."""
        super().on_rpc(sybil, victim, rpc)
        if rpc.iwant:
            key = (sybil, victim.node_id)
            self._asked[key] = self._asked.get(key, 0) + 1
            if self._asked[key] >= self.asked_at_most:
                self._asked[key] = 0
                sybil.hang_up(victim)


@attack(
    "iwant-drain",
    "sybils ask for every frame, and for the whole store, again and again, under ever new names",
    is_long=True,
)
class IWantDrain(Crowd):
    """What a node gives one peer is bounded, so each identity takes all it can get, twice, and makes room for the
    next."""

    stays_ms = 5_000

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._came_ms: dict[tuple[Sybil, bytes], int] = {}
        self._latest: list[bytes] = []
        self._wish = Rpc()
        self._leeches: dict[tuple[Sybil, bytes], Leech] = {}

    def enter(self, sybil: Sybil, ring: Ring) -> None:
        """See `Crowd`."""
        super().enter(sybil, ring)
        self._came_ms[sybil, ring.victim.node_id] = self.world.clock.now_ms
        self._drain(sybil, ring.victim)

    def each_second(self) -> None:
        """See `Crowd`."""
        late_ms = self.world.clock.now_ms - self.stays_ms
        for ring in self.rings.values():
            for sybil in list(ring.around):
                if self._came_ms.get((sybil, ring.victim.node_id), 0) < late_ms:
                    sybil.hang_up(ring.victim)
                else:
                    self._drain(sybil, ring.victim)
        super().each_second()

    def _drain(self, sybil: Sybil, victim: SimNode) -> None:
        latest = list(islice(reversed(self.seen), REMEMBERED))
        if latest != self._latest:
            self._latest = latest
            self._wish = Rpc(iwant=tuple([message_id(self.seen[data], data) for data in latest]))
        sybil.send(victim, self._wish)
        self._leech(sybil, victim).begin()

    def _leech(self, sybil: Sybil, victim: SimNode) -> Leech:
        leech = self._leeches.get((sybil, victim.node_id))
        if leech is None:

            def say(word: Word) -> None:
                if victim.node_id in sybil.links:
                    sybil.say(victim, word, len(pack(word)) + 4)

            leech = self._leeches[sybil, victim.node_id] = Leech(self.world.network, self.world.clock, say)
        return leech

    def ignores(self, payload: Payload) -> bool:
        """See `Crowd`: what a victim answers in sync is read."""
        return not isinstance(payload, Answer | Hello | Sorry) and super().ignores(payload)

    def on_answer(self, sybil: Sybil, victim: SimNode, word: Hello | Answer | Sorry) -> None:
        """See `Adversary`: the next thing that it has."""
        self._leech(sybil, victim).hear(word)
