"""The queue alone, over a writer that the test opens and closes."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from pushmesh_node.engine.records import Record, Write
from pushmesh_node.storage import StoreBusy, StoreFailed, StoreSettings, group_commit
from pushmesh_node.storage.group_commit import SMALL_WRITE_BYTES, GroupCommit
from pushmesh_node.storage.tally import Amount
from pushmesh_node.storage.transaction import Written
from support.records import record


class Disk:
    """Where groups end: it stands still while closed, and fails the groups that hold a number of `broken`."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.begun: list[list[int]] = []
        self.broken: dict[int, Exception] = {}
        self.last_commit = 0

    async def write(self, writes: list[Write]) -> Written:
        records = [write for write in writes if isinstance(write, Record)]
        self.begun.append([record.first_commit for record in records])
        await self.open.wait()
        for first_commit in self.begun[-1]:
            if first_commit in self.broken:
                raise self.broken[first_commit]
        self.last_commit = max(self.last_commit, *(record.first_commit + record.count - 1 for record in records))
        return Written({0: Amount(len(records))}, self.last_commit)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def queue(disk: Disk) -> AsyncIterator[GroupCommit]:
    settings = StoreSettings(queue_calls=4, queue_bytes=10_000, group_bytes=5_000)
    queue = GroupCommit(disk.write, settings, 0)
    yield queue
    disk.open.set()
    await queue.close()


async def start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Run until the work waits, and the writer after it."""
    task = asyncio.create_task(work)
    for _turn in range(5):
        await asyncio.sleep(0)
    return task


async def test_who_can_wait_waits_until_little_is_queued(
    queue: GroupCommit, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "AHEAD_BYTES", 2 * SMALL_WRITE_BYTES)
    await queue.caught_up()
    disk.open.clear()
    tasks = [await start(queue.commit([record(n)])) for n in (1, 2, 3, 4)]
    waiting = await start(queue.caught_up())
    assert not waiting.done()
    disk.open.set()
    await waiting
    await asyncio.gather(*tasks)


async def test_calls_that_come_while_the_disk_works_are_merged_in_their_order(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    tasks = [await start(queue.commit([record(n)])) for n in (1, 2, 3, 4)]
    assert disk.begun == [[1]]
    assert not any(task.done() for task in tasks)
    disk.open.set()
    await asyncio.gather(*tasks)
    assert disk.begun == [[1], [2, 3, 4]]
    assert (queue.transactions, queue.calls, queue.writes, queue.last_commit) == (2, 4, 4, 4)


async def test_a_group_ends_at_its_bytes(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    size = 2_500 - SMALL_WRITE_BYTES
    tasks = [await start(queue.commit([record(n, data=bytes(size))])) for n in (1, 2, 3, 4)]
    disk.open.set()
    await asyncio.gather(*tasks)
    assert disk.begun == [[1], [2, 3], [4]]


async def test_a_queue_of_too_many_calls_is_busy_at_once_and_then_open_again(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    tasks = [await start(queue.commit([record(n)])) for n in range(1, 6)]
    with pytest.raises(StoreBusy, match="4 calls"):
        await queue.commit([record(6)])
    assert (queue.queued_calls, queue.busy_refusals) == (4, 1)
    disk.open.set()
    await asyncio.gather(*tasks)
    await queue.commit([record(6)])
    assert disk.last_commit == 6
    assert (queue.queued_calls, queue.queued_bytes) == (0, 0)


async def test_a_queue_of_too_many_bytes_is_busy_but_takes_one_call_of_any_size(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    tasks = [await start(queue.commit([record(1)])), await start(queue.commit([record(2, data=bytes(50_000))]))]
    with pytest.raises(StoreBusy):
        await queue.commit([record(3)])
    disk.open.set()
    await asyncio.gather(*tasks)
    assert disk.begun == [[1], [2]]


async def test_a_failed_group_tells_each_of_its_callers_and_the_next_one_works(queue: GroupCommit, disk: Disk) -> None:
    cause = OSError("no space")
    disk.broken[3] = StoreFailed("disk full")
    disk.broken[3].__cause__ = cause
    disk.open.clear()
    first, *group = [await start(queue.commit([record(n)])) for n in (1, 2, 3)]
    disk.open.set()
    await first
    failures = await asyncio.gather(*group, return_exceptions=True)
    assert [str(failure) for failure in failures] == ["disk full", "disk full"]
    assert failures[0] is not failures[1]
    assert all(isinstance(failure, StoreFailed) and failure.__cause__ is cause for failure in failures)

    await queue.commit([record(4)])
    assert (queue.failed_transactions, queue.transactions, queue.last_commit) == (1, 2, 4)


async def test_our_own_mistake_reaches_its_callers_and_the_writer_lives_on(queue: GroupCommit, disk: Disk) -> None:
    disk.broken[1] = ValueError("a wrong record")
    with pytest.raises(ValueError, match="a wrong record"):
        await queue.commit([record(1)])
    await queue.commit([record(2)])
    assert queue.last_commit == 2


async def test_a_cancelled_commit_is_still_written_with_its_group(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    tasks = [await start(queue.commit([record(n)])) for n in (1, 2, 3)]
    tasks[1].cancel()
    disk.open.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert disk.begun == [[1], [2, 3]]


async def test_close_writes_the_rest_and_then_refuses(queue: GroupCommit, disk: Disk) -> None:
    disk.open.clear()
    tasks = [await start(queue.commit([record(n)])) for n in (1, 2)]
    closing = await start(queue.close())
    with pytest.raises(StoreFailed, match="closed"):
        await queue.commit([record(3)])
    disk.open.set()
    await asyncio.gather(*tasks, closing)
    assert disk.last_commit == 2
