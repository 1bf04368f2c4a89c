"""Bits that flip between the disk and a node, while its inboxes are read from the beginning again and again: nothing
false is ever delivered, and in the end everything is, since the other node of the mesh still has it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from faults.control import Action, Call
from faults.history import Renumbers
from faults.lane import Lane
from faults.nodes import FaultyNode
from faults.subscribers import CursorReader
from pushmesh_node.lab.networks import shipped_network
from support.wallets import a_wallet

FLIPS: Final = 40
SMALLEST: Final = 1_048_576

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(300)]


async def flipping(lane: Lane, node: FaultyNode) -> str:
    """One bit of one read at a time; each time somebody begins at the beginning, so that the disk is asked."""
    lane.history.add(Renumbers(node.plan.name, "what was damaged is fetched again"))
    for _ in range(FLIPS):
        flip = lane.random.randrange(1 << 15)
        node.control.arm(Call.FILE_READ, Action.FLIP, lane.random.randint(1, 12), argument=flip)
        newcomer = CursorReader(f"newcomer {flip}", shipped_network("devnet"), a_wallet(12), lane.history)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.25):
                await newcomer.run(node.plan.name, node.plan.url)
        node.control.disarm()
        if not node.running:
            await node.ready()
    return f"{FLIPS} flipped bits"


async def test_bits_that_flip_are_never_passed_on_and_what_they_spoil_comes_again(tmp_path: Path, seed: int) -> None:
    settings = {"store__read_cache_bytes": SMALLEST, "store__write_cache_bytes": SMALLEST}
    async with Lane("flips", tmp_path, seed, 2, print, **settings) as lane:
        _, second = lane.nodes
        for _ in range(3):
            await lane.strike(second, flipping)
        await second.kill()
        await second.ready()
        report = await lane.conclude()
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
