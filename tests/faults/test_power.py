"""Power cuts at random moments of a real node's life: what it called durable is in every disk that it may leave."""

from pathlib import Path
from random import Random

import pytest

from faults.checker import Fault
from faults.disk import Disk, Operation, Survival, write_image
from faults.history import Durable
from faults.nodes import FaultyNode
from faults.power import NODE, PowerReport, Recorded, cut_power, record
from support.processes import a_plan

IMAGES = 40
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_no_power_cut_loses_what_was_called_durable_and_the_store_opens_every_image(
    tmp_path: Path, seed: int, rng: Random
) -> None:
    recorded = await record(tmp_path, rng, seconds=2)
    report = await cut_power(recorded, seed, IMAGES, PowerReport())
    assert report.images == IMAGES and report.promises > IMAGES
    assert report.broken == [] and report.unusable == []
    await a_node_serves_an_image(recorded, tmp_path, rng)
    await a_disk_that_lies_is_found_out(recorded, seed)


async def a_node_serves_an_image(recorded: Recorded, folder: Path, rng: Random) -> None:
    disk = Disk(rng)
    for change in recorded.changes:
        disk.take(change)
    plan = a_plan(folder, "revived", mqtt__enabled=False)
    write_image(disk.image(Survival.SECTORS), plan.folder)
    node = FaultyNode(plan)
    try:
        await node.ready()
        last = max(event.commit_no for event in recorded.history.events if isinstance(event, Durable))
        assert (await node.client.status())["last_commit"] >= last
        assert node.faults() == []
    finally:
        await node.client.close()
        await node.stop()


async def a_disk_that_lies_is_found_out(recorded: Recorded, seed: int) -> None:
    """Without the syncs of the log the same images break the promise: the proof can fail."""
    honest = recorded.changes
    lies = [c for c in honest if not (c.operation is Operation.SYNC and c.name.endswith("-wal"))]
    lying = Recorded(recorded.network, lies, recorded.history)
    report = await cut_power(lying, seed, IMAGES, PowerReport())
    assert {broken.fault for broken in report.broken} == {Fault.LOST}
    assert NODE in str(report.broken[0])
