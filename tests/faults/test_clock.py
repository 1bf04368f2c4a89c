"""Wall clocks that jump by an hour under load: what was promised stands, and it works again when the clock is right."""

import asyncio
from pathlib import Path

import pytest

from faults.lane import Blow, Lane
from faults.nodes import FaultyNode
from support.processes import eventually

HOUR_MS = 3_600_000
WHILE_S = 1.5

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


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


async def test_clock_jumps_of_an_hour_lose_nothing_and_invent_nothing(tmp_path: Path, seed: int) -> None:
    async with Lane("clock", tmp_path, seed, 2, print) as lane:
        await lane.strike(lane.first, jump("an hour ahead", HOUR_MS))
        await lane.strike(lane.first, jump("an hour behind", -HOUR_MS))
        await lane.strike(lane.nodes[-1], jump("to and fro", HOUR_MS, -HOUR_MS, HOUR_MS))
        await lane.strike(lane.nodes[-1], killed_in_another_hour)
        report = await lane.conclude()
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert "ahead-of-time" in lane.publisher.refusals
    assert not [line for line in report.node_faults if "Traceback" in line]
