"""Abuse of sync: lists of what nobody has, floors and clocks that are lies, and a rush on whoever comes back."""

from msgspec.structs import replace

from pushmesh_protocol.codec import pack

from ....sync.keys import END
from ....sync.messages import Writer
from ....sync.words import (
    Answer,
    AskHeads,
    BucketName,
    BucketStep,
    Compare,
    Differ,
    Heads,
    Hello,
    Question,
    Replies,
    Sorry,
    Steps,
    Word,
)
from ..adversary import Adversary
from ..leech import Leech
from ..node import SimNode
from ..registry import attack
from ..sybil import Sybil
from ..world import World

PER_VICTIM = 6
LISTED = 200
DAY_MS = 86_400_000


class _Guests(Adversary):
    """Sybils that connect to every honest node, join its topics, and come again when they are gone."""

    def prepare(self) -> None:
        """See `Adversary`."""
        self.add_sybils(self.count)

    def begin(self) -> None:
        """See `Adversary`."""
        self.connect_all(self.world.nodes, PER_VICTIM)

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        """See `Adversary`."""
        self.join_topics(sybil, victim)


@attack(
    "poisoned-peer",
    "sybils list ids that nobody has, bucket after bucket, and never send one",
    own_protocol=True,
)
class PoisonedPeer(_Guests):
    """What is promised and not sent counts as refused, so each is left after a few rounds."""

    def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
        """See `Adversary`."""
        if isinstance(ask, Compare):
            today = self.world.clock.unix_ms // DAY_MS
            sybil.say(victim, Differ([BucketName(shard, today + 1) for shard in range(8)]), 64)
        elif isinstance(ask, Steps):
            writer = Writer()
            writer.id_list(END, b"".join([self.random.randbytes(32) for _ in range(LISTED)]))
            steps = [BucketStep(step.part, step.number, writer.message()) for step in ask.steps]
            sybil.say(victim, Replies(steps), 64 + len(steps) * 32 * LISTED)
        elif isinstance(ask, AskHeads):
            sybil.say(victim, Heads([]), 16)
        else:
            super().on_ask(sybil, victim, ask)


@attack("floor-lie", "sybils tell floors that lie years ahead, so that nothing seems to be missing", own_protocol=True)
class FloorLie(_Guests):
    """A floor counts as one day ahead at most, and a peer whose floor is above ours says nothing about being in
    sync."""

    def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
        """See `Adversary`."""
        if isinstance(ask, Hello):
            far = [floor + 400 * DAY_MS for floor in ask.floors]
            sybil.say(victim, replace(ask, ask=False, floors=far), 160)
        else:
            super().on_ask(sybil, victim, ask)


@attack("clock-drift", "sybils tell clocks that are hours off, each by as much", own_protocol=True)
class ClockDrift(_Guests):
    """The median of a node's peers and itself is what counts."""

    off_ms = 2 * 3_600_000

    def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
        """See `Adversary`."""
        if isinstance(ask, Hello):
            sybil.say(victim, replace(ask, ask=False, now_ms=ask.now_ms + self.off_ms), 128)
        else:
            super().on_ask(sybil, victim, ask)


@attack(
    "heal-flood",
    "nodes go and come back, and sybils ask each for its whole store at that moment, again and again",
    own_protocol=True,
    is_long=True,
)
class HealFlood(_Guests):
    """A node serves at a pace, so that its own healing and gossip have their share of the line."""

    away_ms, every_ms = 12_000, 20_000

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._leeches: dict[tuple[Sybil, bytes], Leech] = {}
        self._turn = 0

    def begin(self) -> None:
        """See `Adversary`."""
        super().begin()
        self.every(self.every_ms, self._take_one_away)

    def _take_one_away(self) -> None:
        node = self.world.nodes[self._turn % len(self.world.nodes)]
        self._turn += 1
        if node.is_running:
            node.stop()
            self.world.clock.after(self.away_ms * 1_000, self._bring_back, node)

    def _bring_back(self, node: SimNode) -> None:
        node.start()
        for sybil in self.random.sample(self.sybils, min(PER_VICTIM, len(self.sybils))):
            self.connect(sybil, node)

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        """See `Adversary`."""
        super().on_connected(sybil, victim)
        self._leech(sybil, victim).begin()

    def on_answer(self, sybil: Sybil, victim: SimNode, word: Hello | Answer | Sorry) -> None:
        """See `Adversary`."""
        self._leech(sybil, victim).hear(word)

    def _leech(self, sybil: Sybil, victim: SimNode) -> Leech:
        leech = self._leeches.get((sybil, victim.node_id))
        if leech is None:

            def say(word: Word) -> None:
                if victim.node_id in sybil.links:
                    sybil.say(victim, word, len(pack(word)) + 4)

            leech = self._leeches[sybil, victim.node_id] = Leech(self.world.network, self.world.clock, say)
        return leech
