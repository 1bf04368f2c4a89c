"""Every client of a node loses it at once, and all come back at once."""

import asyncio
import time
from pathlib import Path

from .kills import strike
from .world import Outcome, Say, World, allow_sockets

SOCKETS_A_CLIENT = 3
BEFORE, MEANWHILE = 20, 20


async def storm(folder: Path, seed: int, say: Say, clients: int) -> Outcome:
    """So many wallets over all ways; the node is killed under load, and nobody may dial before it is there again."""
    allow_sockets(SOCKETS_A_CLIENT * clients + 512)
    gate = asyncio.Event()
    gate.set()
    async with World("storm", folder, seed, rate=10.0, patience_s=60 + clients / 2) as world:
        wallets = await world.listen(clients, may_open=gate.wait)
        world.publish()
        await world.until_durable(BEFORE)
        await world.rest()
        await world.settle()
        await world.until_all_have_all()
        say(f"storm: {clients} wallets listen and have {world.durable} messages each")
        gate.clear()
        before = {client.name: client.connections for client in wallets}
        world.publish()
        await world.until_durable(MEANWHILE)
        await strike(world)
        world.publish()
        await world.until_durable(MEANWHILE)
        began_s = time.monotonic()
        gate.set()
        await world.until(lambda: all(each.connections > before[each.name] for each in wallets), "all of them back")
        await world.rest()
        await world.settle()
        await world.until_all_have_all()
        seconds = time.monotonic() - began_s
        say(f"storm: all {clients} are back and have everything after {seconds:.1f} s")
        return await world.conclude(clients=clients, all_served_after_s=round(seconds, 1))
