from pushmesh_node.lab.sim.agreement import disagreements, held_anywhere
from pushmesh_node.lab.sim.siege import Defences, honest_world
from pushmesh_node.lab.sim.traffic import Publisher, new_author
from pushmesh_node.lab.sim.world import World
from pushmesh_protocol.frames import Part


def told(world: World) -> list[str]:
    world.run_until(world.clock.now_us / 1e6 + 0.2)
    return disagreements(world.nodes, held_anywhere(world.nodes), world.clock.unix_ms)


def test_nodes_disagree_while_one_knows_more_than_the_other() -> None:
    world, _ = honest_world(2, 1, 1, Defences())
    for node in world.nodes:
        node.is_running = True
    author = new_author(world.network, "one", world.clock.unix_ms, shard=0)
    publisher = Publisher(world.network, [author], world.random)
    pair = [publisher.item(author, world.clock.unix_ms, length, by_wallet=True) for length in (20, 20)]
    author.next_wallet_seq -= 1
    pair[0] = publisher.item(author, world.clock.unix_ms, 40, by_wallet=True)
    one, other = world.nodes
    one.preload([Part((author.grant,))])
    assert told(world) == ["grants"]
    other.preload([Part((author.grant,))])
    assert told(world) == []
    one.preload([Part((item,)) for item in pair])
    assert told(world) == ["slots"]
    other.preload([Part((item,)) for item in reversed(pair)])
    assert told(world) == []
    assert {envelope.id for envelope in held_anywhere(world.nodes)} == {author.grant.id, *[item.id for item in pair]}
