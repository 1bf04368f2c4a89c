"""The node is killed with all its processes while notifications flow, again and again; its wallets come back over every
way, and go on where they were."""

from pathlib import Path

from ..history import Struck
from ..nodes import kill_tree
from .ways import WAYS
from .world import Outcome, Say, World

WALLETS_A_WAY = 2


async def kill_the_node(folder: Path, seed: int, say: Say, kills: int) -> Outcome:
    """So many kills under load."""
    async with World("node kills", folder, seed) as world:
        await world.listen(WALLETS_A_WAY * len(WAYS))
        for number in range(kills):
            world.publish()
            await world.until_durable(world.random.randint(20, 80))
            await strike(world)
            say(f"node kills: {number + 1} of {kills}, {world.durable} durable answers")
        world.publish()
        await world.until_durable(20)
        return await world.conclude(kills=kills)


async def strike(world: World) -> None:
    """Kill the node under load, start it again, and ask about what was left open."""
    world.history.add(Struck(world.name, "whole tree"))
    await kill_tree(world.node)
    await world.rest()
    await world.node.up()
    await world.settle()
