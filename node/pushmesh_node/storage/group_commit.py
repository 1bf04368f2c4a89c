"""Merges concurrent commits into transactions. One task writes; callers wait until their writes are durable."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..engine.records import Write
from .errors import StoreBusy, StoreFailed
from .settings import StoreSettings
from .transaction import Written

SMALL_WRITE_BYTES = 512
"""What a write counts in the queue beside its data: its object and its rows."""


AHEAD_BYTES = 1024 * 1024
"""May wait for the disk before `caught_up` waits: a group of its own, so that the writer never does."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    writes: Sequence[Write]
    size_bytes: int
    done: asyncio.Future[None]


class GroupCommit:
    """The write queue. Calls are taken in their order; a group that fails tells each of its callers."""

    def __init__(
        self,
        write: Callable[[list[Write]], Awaitable[Written]],
        settings: StoreSettings,
        last_commit: int,
    ) -> None:
        """`write` makes writes durable or raises StoreFailed; `last_commit` is the store's highest number so far."""
        self.last_commit = last_commit
        self.transactions = self.calls = self.writes = self.failed_transactions = self.busy_refusals = 0
        self.queued_bytes = 0
        self._write = write
        self._settings = settings
        self._queue: deque[_Call] = deque()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="store-writer")

    @property
    def queued_calls(self) -> int:
        """Calls that wait for a transaction."""
        return len(self._queue)

    async def commit(self, writes: Sequence[Write]) -> None:
        """Return when the writes are durable. Raises StoreBusy at once; StoreFailed by the disk or after close()."""
        if not writes:
            return
        if self._closing:
            raise StoreFailed("the store is closed")
        size = sum(SMALL_WRITE_BYTES + len(getattr(write, "data", b"")) for write in writes)
        full = len(self._queue) >= self._settings.queue_calls or self.queued_bytes + size > self._settings.queue_bytes
        if full and self._queue:
            self.busy_refusals += 1
            raise StoreBusy(f"{len(self._queue)} calls with {self.queued_bytes} bytes wait already")
        call = _Call(tuple(writes), size, asyncio.get_running_loop().create_future())
        self._queue.append(call)
        self.queued_bytes += size
        self._wake.set()
        await call.done

    async def caught_up(self) -> None:
        """For those who can wait: returns when little is queued, so that what comes next need not be refused."""
        while self.queued_bytes > AHEAD_BYTES:
            self._taken.clear()
            await self._taken.wait()

    async def close(self) -> None:
        """Refuse new calls, write what is queued, end the task."""
        self._closing = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while True:
            if self._queue:
                await self._write_group(self._take_group())
                continue
            if self._closing:
                return
            self._wake.clear()
            await self._wake.wait()  # commit() and close() both set it, and nothing else may end this task

    def _take_group(self) -> list[_Call]:
        group = [self._queue.popleft()]
        size = group[0].size_bytes
        while self._queue and size + self._queue[0].size_bytes <= self._settings.group_bytes:
            call = self._queue.popleft()
            size += call.size_bytes
            group.append(call)
        self.queued_bytes -= size
        self._taken.set()
        return group

    async def _write_group(self, group: list[_Call]) -> None:
        writes = [write for call in group for write in call.writes]
        try:
            written = await self._write(writes)
        except Exception as error:  # a bug of ours too goes to the callers of this group, and must not end the writer
            self.failed_transactions += 1
            for call in group:
                _fail(call.done, error)
            return
        self.transactions += 1
        self.calls += len(group)
        self.writes += len(writes)
        self.last_commit = written.last_commit
        for call in group:
            if not call.done.done():
                call.done.set_result(None)


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    """Each caller gets an exception of its own: one object raised in many tasks would collect all their tracebacks."""
    if done.done():
        return
    if isinstance(error, StoreFailed):
        copy = type(error)(error.reason, error.fault)
        copy.__cause__ = error.__cause__
        done.set_exception(copy)
    else:
        done.set_exception(error)
