from itertools import pairwise

from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.sybil import Sybil
from pushmesh_node.sync.words import (
    AskHeads,
    BucketName,
    BucketStep,
    Compare,
    Differ,
    Frames,
    Heads,
    Hello,
    Question,
    Replies,
    Steps,
)
from support.sim_world import a_publisher, a_world, delivered, publish

MIB = 1 << 20


def test_a_node_that_comes_late_gets_everything() -> None:
    world = a_world(3, connected=False)
    first, second, late = world.nodes
    world.connect(first, second)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    for _ in range(12):
        publish(world, publisher, first, 63 * 1_024)
        world.run_until(world.clock.now_us / 1e6 + 1)
    world.run_until(20)
    assert delivered(world) < 1.0
    world.connect(late, second)
    world.run_until(40)
    assert delivered(world) == 1.0
    assert late.bytes.sync > MIB // 2
    assert {frozenset(node.main.sets.members()) for node in world.nodes} == {frozenset(late.main.sets.members())}
    assert all(sync.complete for sync in late.sync.states().values())


def test_what_gossip_did_not_bring_comes_with_the_next_round() -> None:
    world = a_world(2)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    reader = world.nodes[1].gossip
    reader._frames_left = 0  # everything that gossip brings is ignored
    publish(world, publisher, world.nodes[0])
    world.run_until(5)
    assert delivered(world) == 0.5
    world.run_until(60)
    assert delivered(world) == 1.0


def test_what_gossip_brought_is_compared_and_not_sent_again() -> None:
    world = a_world(3)
    publisher, _ = a_publisher(world)
    world.run_until(20)
    for node in world.nodes:
        node.bytes.sync = 0
    for _ in range(3):
        publish(world, publisher, world.nodes[0], 16_384)
        world.run_until(world.clock.now_us / 1e6 + 1)
    assert delivered(world) == 1.0
    world.run_until(60)
    payload = sum(sample.size_bytes for sample in world.measures.samples)
    assert 0 < max(node.bytes.sync for node in world.nodes) < payload / 4


def test_a_peer_that_answers_nothing_is_asked_again_ever_later_and_one_that_answers_unasked_brings_nothing() -> None:
    world = a_world(1)
    asked: list[int] = []

    class Mute(Adversary):
        def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
            asked.append(self.world.clock.now_ms)

    adversary = Mute(world, 1)
    adversary.prepare()
    (sybil,), (victim,) = adversary.sybils, world.nodes
    world.connect(sybil, victim)
    world.run_until(300)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert len(gaps) >= 4 and gaps == sorted(gaps) and gaps[0] > 30_000
    for _ in range(20):
        sybil.say(victim, Frames(1, False, [b"x"]), 100)
    world.run_until(340)
    assert victim.sync.brought == 0


class Liar(Adversary):
    """Lists ids that nobody has, many at a time, and has nothing to give."""

    lies = 100

    def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
        if isinstance(ask, Compare):
            sybil.say(victim, Differ([BucketName(0, ask_day(self) + 2)]), 32)
        elif isinstance(ask, Steps):
            ids = b"".join([self.random.randbytes(32) for _ in range(self.lies)])
            message = b"\x61\0\0\2" + bytes([self.lies]) + ids
            sybil.say(victim, Replies([BucketStep(step.part, step.number, message) for step in ask.steps]), 64)
        elif isinstance(ask, AskHeads):
            sybil.say(victim, Heads([]), 16)
        else:
            super().on_ask(sybil, victim, ask)


def ask_day(adversary: Adversary) -> int:
    return adversary.world.clock.unix_ms // 86_400_000


def test_a_peer_that_lists_what_it_cannot_give_is_poisoned_and_counts_no_more() -> None:
    world = a_world(1)
    adversary = Liar(world, 1)
    adversary.prepare()
    (sybil,), (victim,) = adversary.sybils, world.nodes
    world.connect(sybil, victim)
    world.run_until(120)
    sync = victim.sync.states()[sybil.node_id]
    assert (str(sync.state), sync.reason) == ("poisoned", "poisoned")
    assert not sync.counts()
