from pushmesh_node.lab.sim.leech import Leech
from pushmesh_node.sync.words import Answer, Hello, Word
from support.sim_world import a_publisher, a_world, publish


def test_a_leech_takes_everything_again_and_again_and_is_held_to_the_pace() -> None:
    world = a_world(2)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    publish(world, publisher, world.nodes[0], 16_384)
    world.run_until(5)
    victim, told = world.nodes[0], []
    sync = victim.sync
    leech: list[Leech] = []

    def say(word: Word) -> None:
        told.append(type(word).__name__)
        world.clock.after(1_000, sync.take, b"l" * 32, word)

    def back(node_id: bytes, word: Word, size: int) -> None:
        if node_id == b"l" * 32 and isinstance(word, Answer | Hello) and not (isinstance(word, Hello) and word.ask):
            world.clock.after(1_000, leech[0].hear, word)

    sync._say = back
    sync.peer_came(b"l" * 32)
    leech.append(Leech(world.network, world.clock, say))
    leech[0].begin()
    world.run_until(6)
    assert told.count("Want") > 3 and told.count("Hello") > 3
