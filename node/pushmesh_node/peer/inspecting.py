"""Runs the inspector in a worker thread, with all frames that wait in one call, control topics first.

Frames and tables reach the inspector in the order they came in their lane; one call at a time.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from pushmesh_protocol.reasons import Reason, Verdict

from ..gossip.inspection import Inspection, Inspector
from ..ipc import Allowances, Known

log = structlog.get_logger()

MAX_FRAMES: Final = 128  # in one call of the thread
CONTROL_MARK: Final = "/control/"


@dataclass(frozen=True, slots=True)
class Job:
    """A frame that waits for its inspection."""

    peer: bytes
    message_id: bytes
    topic: str
    data: bytes


class Inspecting:
    """The router bounds what waits here: a frame enters only as a pending message."""

    def __init__(
        self, inspector: Inspector, on_result: Callable[[Job, Inspection], None], wall_ms: Callable[[], int]
    ) -> None:
        self._inspector = inspector
        self._on_result = on_result
        self._wall_ms = wall_ms
        self._tables: deque[Known | Allowances] = deque()
        self._control: deque[Job] = deque()
        self._data: deque[Job] = deque()
        self._wake = trio.Event()
        self._one_thread = trio.CapacityLimiter(1)

    def add(self, job: Job) -> None:
        """Never waits."""
        (self._control if CONTROL_MARK in job.topic else self._data).append(job)
        self._wake.set()

    def update(self, table: Known | Allowances) -> None:
        """Takes effect before any frame that is still waiting."""
        self._tables.append(table)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; a thread that is at work is left to finish alone."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._tables or self._control or self._data:
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
                    self._on_result(job, result)

    def _take(self) -> tuple[list[Known | Allowances], list[Job]]:
        tables = list(self._tables)
        self._tables.clear()
        jobs: list[Job] = []
        while len(jobs) < MAX_FRAMES and (lane := self._control or self._data):
            jobs.append(lane.popleft())
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
