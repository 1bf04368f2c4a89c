from pushmesh_node.gossip.effects import Lane
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.sybil import Sybil
from pushmesh_node.lab.sim.wire import WINDOW_BYTES, Link
from support.sim_world import a_world


class Picky(Adversary):
    """Answers the dials of one node only, and writes down what its sybils tell it."""

    def prepare(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.words: list[object] = []

    def lets_in(self, sybil: Sybil, victim: SimNode) -> bool:
        return victim.number == 0

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        self.told.append(("connected", victim.number))

    def on_disconnected(self, sybil: Sybil, victim: SimNode, reason: str) -> None:
        self.told.append((reason, victim.number))

    def heard(self, sybil: Sybil, victim: SimNode, payload: object) -> None:
        if isinstance(payload, int):
            self.words.append(payload)

    def ignores(self, payload: object) -> bool:
        return isinstance(payload, int) and payload >= 100


def a_sybil() -> tuple[Picky, Sybil]:
    picky = Picky(a_world(2, sync=False), 1)
    picky.prepare()
    return picky, picky.add_sybil()


def dialled_by(picky: Picky, node: SimNode, sybil: Sybil) -> Link:
    world = picky.world
    return Link(node, sybil, world.clock, world.paths, (1, 1_024), lambda lane: None)


def test_it_lets_in_whom_its_adversary_does_and_each_once() -> None:
    picky, sybil = a_sybil()
    friend, stranger = picky.world.nodes
    assert sybil.accepts(dialled_by(picky, stranger, sybil)) == "unwilling"
    assert sybil.accepts(dialled_by(picky, friend, sybil)) is None
    picky.world.connect(sybil, friend)
    assert sybil.accepts(dialled_by(picky, friend, sybil)) == "busy"


def test_whom_it_dials_itself_it_lets_in() -> None:
    picky, sybil = a_sybil()
    world, stranger = picky.world, picky.world.nodes[1]
    assert sybil.accepts(Link(sybil, stranger, world.clock, world.paths, (1, 1_024), lambda lane: None)) is None


def test_it_tells_its_adversary_of_connections_that_come_and_go() -> None:
    picky, sybil = a_sybil()
    for node in picky.world.nodes:
        picky.world.connect(sybil, node)
    sybil.hang_up(picky.world.nodes[1])
    assert picky.told == [("connected", 0), ("connected", 1), ("attack", 1)]
    assert list(sybil.links) == [picky.world.nodes[0].node_id]


def test_what_it_sends_arrives() -> None:
    picky, sybil = a_sybil()
    victim = picky.world.nodes[0]
    picky.world.connect(sybil, victim)
    before = victim.bytes.gossip
    assert sybil.send(victim, Rpc(messages=(Message("t", b"data"),)))
    picky.world.run_until(2)
    assert victim.bytes.gossip > before
    assert victim.bytes.payload == len(b"data")


def test_what_it_hears_is_read_so_that_more_may_come() -> None:
    picky, sybil = a_sybil()
    victim = picky.world.nodes[0]
    link = picky.world.connect(sybil, victim)
    for word in range(8):
        link.way_from(victim).push(word, WINDOW_BYTES // 2, Lane.DATA)
    picky.world.run_until(10)
    assert picky.words == list(range(8))


def test_what_its_adversary_does_not_wait_for_is_not_brought() -> None:
    picky, sybil = a_sybil()
    victim = picky.world.nodes[0]
    link = picky.world.connect(sybil, victim)
    picky.world.run_until(1)  # after the node's first words the way is free
    for word in (100, 1, 2):
        link.way_from(victim).push(word, 1_000, Lane.DATA)
    picky.world.run_until(2)
    assert picky.words == [1, 2]


def test_words_to_somebody_who_is_not_connected_are_not_said() -> None:
    picky, sybil = a_sybil()
    victim = picky.world.nodes[0]
    assert not sybil.publish(victim, "t", b"data")
    sybil.hang_up(victim)
    assert picky.told == []


def test_who_was_dialled_before_the_attack_ended_is_left_alone() -> None:
    picky, sybil = a_sybil()
    picky.is_over = True
    picky.world.connect(sybil, picky.world.nodes[0])
    assert picky.told == [("attack", 0)]
    assert not sybil.links
