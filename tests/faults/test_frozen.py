"""Processes that stand still, cut the mesh in two, or come back from another time: all of it heals by itself."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from faults.history import Renumbers
from faults.lane import Lane
from faults.looking import STORE
from faults.nodes import GOSSIP, VERIFYING, FaultyNode, signal_process

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def stand_still(pid: int | None, seconds: float) -> None:
    assert pid is not None
    signal_process(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        signal_process(pid, signal.SIGCONT)


async def frozen_main(lane: Lane, node: FaultyNode) -> str:
    await asyncio.sleep(0.3)
    await stand_still(node.pid, 3)
    return "main stood still"


async def frozen_gossip(lane: Lane, node: FaultyNode) -> str:
    """Nothing comes or goes over the mesh: a partition, seen from both sides."""
    await asyncio.sleep(0.3)
    await stand_still(await node.child(GOSSIP), 6)
    return "gossip process stood still"


async def frozen_verifying(lane: Lane, node: FaultyNode) -> str:
    await asyncio.sleep(0.3)
    await stand_still(await node.child(VERIFYING), 2)
    return "verifying process stood still"


async def away(lane: Lane, node: FaultyNode) -> str:
    """The peer is off while the other one goes on."""
    await node.kill_tree()
    await asyncio.sleep(4)
    return "away for a while"


async def an_older_copy(lane: Lane, node: FaultyNode) -> str:
    """An operator puts a copy in place that is some seconds old."""
    copy = node.plan.folder / "copy"
    await node.kill_tree()
    copy.mkdir()
    for name in (STORE, f"{STORE}-wal"):
        shutil.copy(node.plan.folder / name, copy / name)
    await node.ready()
    await asyncio.sleep(3)
    await node.kill_tree()
    for name in (STORE, f"{STORE}-wal"):
        shutil.move(copy / name, node.plan.folder / name)
    (node.plan.folder / f"{STORE}-shm").unlink(missing_ok=True)
    lane.history.add(Renumbers(node.plan.name, "an older copy of its store"))
    return "an older copy of its store"


async def test_a_mesh_heals_from_everything_that_stands_still_or_stays_away(tmp_path: Path, seed: int) -> None:
    async with Lane("frozen", tmp_path, seed, 2, print) as lane:
        first, second = lane.nodes
        for node, blow in (
            (first, frozen_main),
            (first, frozen_verifying),
            (second, frozen_main),
            (second, frozen_gossip),
            (first, frozen_gossip),
            (second, away),
            (second, an_older_copy),
        ):
            await lane.strike(node, blow)
        report = await lane.conclude()
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert lane.publisher.refusals.keys() <= {"queue-full"}
