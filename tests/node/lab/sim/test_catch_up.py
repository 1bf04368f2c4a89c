from itertools import pairwise

from pushmesh_node.app.catch_up_wire import Ask, AskDigests, Digests, Page, Want
from pushmesh_node.lab.sim.adversary import Adversary, Sybil
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_protocol.limits import CATCH_UP_PAGE_BYTES
from support.sim_world import a_publisher, a_world, delivered, publish


def test_a_node_that_comes_late_gets_everything_page_by_page() -> None:
    world = a_world(3, connected=False)
    first, second, late = world.nodes
    world.connect(first, second)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    for _ in range(12):
        publish(world, publisher, first, 63 * 1_024)
        world.run_until(world.clock.now_us / 1e6 + 1)
    assert sum(sample.size_bytes for sample in world.measures.samples) > 2 * CATCH_UP_PAGE_BYTES
    world.run_until(20)
    assert delivered(world) < 1.0
    world.connect(late, second)
    world.run_until(30)
    assert delivered(world) == 1.0
    assert late.bytes.catch_up > 2 * CATCH_UP_PAGE_BYTES


def test_what_gossip_did_not_bring_comes_with_the_next_round() -> None:
    world = a_world(2)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    reader = world.nodes[1].gossip
    reader._frames_left = 0  # everything that gossip brings is ignored
    publish(world, publisher, world.nodes[0])
    world.run_until(10)
    assert delivered(world) == 0.5
    world.run_until(30)
    assert delivered(world) == 1.0


def test_a_peer_that_answers_nothing_is_asked_again_and_one_that_answers_unasked_is_not_read() -> None:
    world = a_world(1)
    asked: list[Ask | AskDigests | Want] = []

    class Mute(Adversary):
        def on_ask(self, sybil: Sybil, victim: SimNode, ask: Ask | AskDigests | Want) -> None:
            asked.append(ask)

    adversary = Mute(world, 1)
    adversary.prepare()
    (sybil,), (victim,) = adversary.sybils, world.nodes
    world.connect(sybil, victim)
    world.run_until(29)
    assert len(asked) == 1
    world.run_until(32)
    assert len(asked) == 2
    page = Page(b"\x01" * 16, 0, True, [])
    for _ in range(20):
        sybil.say(victim, page, 100)
    world.run_until(40)
    assert victim.catch_up.caught_up == 0


def test_what_gossip_brought_is_named_and_not_sent_again() -> None:
    world = a_world(3)
    publisher, _ = a_publisher(world)
    world.run_until(20)
    for node in world.nodes:
        node.bytes.catch_up = 0
    for _ in range(3):
        publish(world, publisher, world.nodes[0], 16_384)
        world.run_until(world.clock.now_us / 1e6 + 1)
    assert delivered(world) == 1.0
    world.run_until(60)
    payload = sum(sample.size_bytes for sample in world.measures.samples)
    assert 0 < max(node.bytes.catch_up for node in world.nodes) < payload / 8


def test_a_peer_that_tells_of_frames_and_never_gives_them_is_asked_again_ever_later() -> None:
    world = a_world(1)
    wanted: list[int] = []

    class Tease(Adversary):
        def on_ask(self, sybil: Sybil, victim: SimNode, ask: Ask | AskDigests | Want) -> None:
            if isinstance(ask, Want):
                wanted.append(self.world.clock.now_ms)
            elif isinstance(ask, AskDigests):
                sybil.say(victim, Digests(bytes(16), ask.commit_no + 1, False, [self.random.randbytes(16)]), 64)
            else:
                super().on_ask(sybil, victim, ask)

    adversary = Tease(world, 1)
    adversary.prepare()
    world.connect(adversary.sybils[0], world.nodes[0])
    world.run_until(300)
    gaps = [later - earlier for earlier, later in pairwise(wanted)]
    assert len(gaps) >= 4
    assert gaps == sorted(gaps) and gaps[0] > 30_000
