"""A disk that fails for a while: publishes are refused with a reason, reads go on, nothing is lost or invented, and the
node takes publishes again by itself when the disk does."""

import asyncio
import errno
from pathlib import Path

import pytest

from faults.control import WRITES, Action, Call
from faults.lane import Blow, Lane
from faults.nodes import FaultyNode
from pushmesh_client import Subscriber
from pushmesh_client.book import SlotBook
from support.processes import eventually
from support.wallets import a_wallet

FAULT_S = 0.6
FAULTS: tuple[tuple[str, Call, Action, int], ...] = (
    ("disk full", WRITES, Action.FAIL, errno.ENOSPC),
    ("log cannot be written", Call.LOG_WRITE, Action.FAIL, errno.EIO),
    ("log cannot be synced", Call.LOG_SYNC, Action.FAIL, errno.EIO),
    ("disk full at the sync", Call.LOG_SYNC, Action.FAIL, errno.ENOSPC),
    ("store cannot be written", Call.FILE_WRITE, Action.FAIL, errno.EIO),
    ("store cannot be synced", Call.FILE_SYNC, Action.FAIL, errno.EIO),
    ("short writes", WRITES, Action.SHORT, 100),
    ("a slow disk", Call.LOG_SYNC, Action.DELAY, 100_000),
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def failing(name: str, calls: Call, action: Action, argument: int) -> Blow:
    """For a while every such call goes wrong; then the node takes publishes again."""

    async def blow(lane: Lane, node: FaultyNode) -> str:
        await asyncio.sleep(lane.random.uniform(0.1, 0.3))
        node.control.arm(calls, action, times=-1, argument=argument)
        await asyncio.sleep(FAULT_S)
        await reads_go_on(lane, node)
        node.control.disarm()
        before = lane.publisher.durable

        async def takes_again() -> bool:
            return lane.publisher.durable > before + 10

        await eventually(takes_again, f"publishes after: {name}")
        return name

    return blow


async def reads_go_on(lane: Lane, node: FaultyNode) -> None:
    """An inbox can be read from its beginning while the disk takes nothing."""
    reader = Subscriber(node.client, a_wallet(2), SlotBook())
    page = await node.client.inbox(await reader.credential(), limit=10)
    assert len(page["messages"]) == 10


async def test_a_disk_that_fails_for_a_while_costs_refusals_and_nothing_else(tmp_path: Path, seed: int) -> None:
    async with Lane("disk", tmp_path, seed, 1, print) as lane:
        (node,) = lane.nodes
        for fault in FAULTS:
            await lane.strike(node, failing(*fault))
        assert node.starts == 1  # it never ended
        report = await lane.conclude()
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert lane.publisher.refusals.keys() & {"store-failed", "store-full"} == lane.publisher.refusals.keys() != set()
    assert not [line for line in report.node_faults if "Traceback" in line]
