"""Processes that stand still, cut the mesh in two, or come back from another time, and clocks that jump by an hour: all
of it heals by itself, and what was promised stands."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from faults.history import Renumbers
from faults.lane import Blow, Lane
from faults.looking import STORE
from faults.nodes import GOSSIP, VERIFYING, FaultyNode, signal_process
from support.processes import eventually

HOUR_MS = 3_600_000
LIFE_MS = HOUR_MS * 3 // 4
"""What is published would be over in another hour."""

WHILE_S = 2.2
"""A node looks each second for what is over."""

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(300)]


async def stand_still(pid: int | None, seconds: float) -> None:
    assert pid is not None
    signal_process(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        signal_process(pid, signal.SIGCONT)


async def frozen_main(lane: Lane, node: FaultyNode) -> str:
    await asyncio.sleep(0.2)
    await stand_still(node.pid, 2)
    return "main stood still"


async def frozen_gossip(lane: Lane, node: FaultyNode) -> str:
    """Nothing comes or goes over the mesh: a partition, seen from both sides."""
    await asyncio.sleep(0.2)
    await stand_still(await node.child(GOSSIP), 3)
    return "gossip process stood still"


async def frozen_verifying(lane: Lane, node: FaultyNode) -> str:
    await asyncio.sleep(0.2)
    await stand_still(await node.child(VERIFYING), 1)
    return "verifying process stood still"


async def away(lane: Lane, node: FaultyNode) -> str:
    """The peer is off while the other one goes on."""
    await node.kill_tree()
    await asyncio.sleep(2)
    return "away for a while"


async def an_older_copy(lane: Lane, node: FaultyNode) -> str:
    """An operator puts a copy in place that is some seconds old."""
    copy = node.plan.folder / "copy"
    await node.kill_tree()
    copy.mkdir()
    for name in (STORE, f"{STORE}-wal"):
        shutil.copy(node.plan.folder / name, copy / name)
    await node.ready()
    await asyncio.sleep(1)
    await node.kill_tree()
    for name in (STORE, f"{STORE}-wal"):
        shutil.move(copy / name, node.plan.folder / name)
    (node.plan.folder / f"{STORE}-shm").unlink(missing_ok=True)
    lane.history.add(Renumbers(node.plan.name, "an older copy of its store"))
    return "an older copy of its store"


def jump(name: str, *offsets_ms: int) -> Blow:
    """The clock is set, and set right again."""

    async def blow(lane: Lane, node: FaultyNode) -> str:
        for offset_ms in offsets_ms:
            await asyncio.sleep(lane.random.uniform(0.1, 0.3))
            node.control.set_clock(offset_ms)
            await asyncio.sleep(WHILE_S)
        node.control.set_clock(0)
        before = lane.publisher.durable

        async def takes_again() -> bool:
            return lane.publisher.durable > before + 10

        await eventually(takes_again, f"publishes after: {name}")
        return name

    return blow


async def killed_in_another_hour(lane: Lane, node: FaultyNode) -> str:
    """It dies in one hour and wakes in another."""
    node.control.set_clock(HOUR_MS)
    await asyncio.sleep(WHILE_S)
    await node.kill()
    node.control.set_clock(0)
    return "killed an hour ahead"


async def test_a_mesh_heals_from_whatever_stands_still_stays_away_or_lives_in_another_hour(
    tmp_path: Path, seed: int
) -> None:
    async with Lane("frozen", tmp_path, seed, 2, print, life_ms=LIFE_MS) as lane:
        first, second = lane.nodes
        for node, blow in (
            (first, frozen_main),
            (first, frozen_verifying),
            (second, frozen_main),
            (second, frozen_gossip),
            (first, frozen_gossip),
            (second, away),
            (second, an_older_copy),
            (first, jump("an hour ahead", HOUR_MS)),
            (first, jump("an hour behind", -HOUR_MS)),
            (second, jump("to and fro", HOUR_MS, -HOUR_MS, HOUR_MS)),
            (second, killed_in_another_hour),
        ):
            await lane.strike(node, blow)
        report = await lane.conclude()
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert "ahead-of-time" in lane.publisher.refusals
    assert not [line for line in report.node_faults if "Traceback" in line]
