"""Runs the inspector in a worker thread, many frames in one call, one call at a time; the queue says in which order.

Tables reach the inspector in the order they came, before any frame that still waits.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio

from pushmesh_protocol.reasons import Reason, Verdict

from ..gossip.frames.inspection import Inspection, Inspector
from ..gossip.frames.inspection_queue import InspectionQueue, Job, Merit
from ..ipc import Allowances, Known

log = structlog.get_logger()

MAX_FRAMES: Final = 128  # in one call of the thread
MAX_BYTES: Final = 256 * 1024  # or one frame: who comes next must not wait long behind what costs much

__all__ = ["Inspecting", "Job"]


class Inspecting:
    """The router bounds what waits here: a frame enters only as a pending message."""

    def __init__(
        self,
        inspector: Inspector,
        on_result: Callable[[Job, Inspection], None],
        wall_ms: Callable[[], int],
        merit: Callable[[bytes], Merit] = lambda peer: Merit.STRANGE,
    ) -> None:
        self._inspector = inspector
        self._on_result = on_result
        self._wall_ms = wall_ms
        self._tables: deque[Known | Allowances] = deque()
        self._queue = InspectionQueue(merit)
        self._wake = trio.Event()
        self._one_thread = trio.CapacityLimiter(1)

    def add(self, job: Job) -> None:
        """Never waits."""
        self._queue.add(job)
        self._wake.set()

    def done(self, message_id: bytes) -> None:
        """Main judged what inspection left open, or could not be asked. Called before the router hears of it."""
        self._queue.done(message_id)

    def update(self, table: Known | Allowances) -> None:
        """Takes effect before any frame that is still waiting."""
        self._tables.append(table)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; a thread that is at work is left to finish alone."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._tables or len(self._queue):
                tables, jobs = self._take()
                results = await trio.to_thread.run_sync(  # type: ignore[call-arg]  # trio-stubs are older than trio
                    _inspect_all,
                    self._inspector,
                    tables,
                    jobs,
                    self._wall_ms(),
                    abandon_on_cancel=True,
                    limiter=self._one_thread,
                )
                for job, result in zip(jobs, results, strict=True):
                    if result.verdict is not None:
                        self._queue.done(job.message_id)
                    self._on_result(job, result)

    def _take(self) -> tuple[list[Known | Allowances], list[Job]]:
        tables = list(self._tables)
        self._tables.clear()
        jobs: list[Job] = []
        size_bytes = 0
        while len(jobs) < MAX_FRAMES and size_bytes < MAX_BYTES and (job := self._queue.take()) is not None:
            jobs.append(job)
            size_bytes += len(job.data)
        return tables, jobs


def _inspect_all(
    inspector: Inspector, tables: Sequence[Known | Allowances], jobs: Sequence[Job], now_ms: int
) -> list[Inspection]:
    for table in tables:
        if isinstance(table, Known):
            inspector.remember(table.item_hashes)
        else:
            inspector.allow(table)
    return [_inspect(inspector, job, now_ms) for job in jobs]


def _inspect(inspector: Inspector, job: Job, now_ms: int) -> Inspection:
    try:
        return inspector.inspect(job.peer, job.topic, job.data, now_ms)
    except Exception as error:  # our own fault, met by a peer's bytes: one frame is lost, not every connection
        log.error("inspector failed", peer=job.peer.hex(), topic=job.topic, error=repr(error), exc_info=True)
        return Inspection(Verdict.IGNORE, Reason.INTERNAL, [])
