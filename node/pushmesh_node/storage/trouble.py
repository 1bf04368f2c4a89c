"""What the disk refuses now. While it does, a small write is tried again and again, so that the node finds out by
itself when it is over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .errors import Fault, StoreFailed

PROBE_S, LONGEST_PROBE_S = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why commits fail."""

    fault: Fault
    reason: str


class Troubles:
    """Owns one task while there is a trouble; `now` is None where there is none."""

    def __init__(self, probe: Callable[[], Awaitable[None]], probe_s: float = PROBE_S) -> None:
        """`probe` writes something or raises StoreFailed."""
        self.now: Trouble | None = None
        self.on_change: Callable[[Trouble | None], None] = lambda _trouble: None
        """Called when it begins, changes and ends."""
        self._probe = probe
        self._probe_s = probe_s
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def met(self, failure: StoreFailed) -> None:
        """A commit failed."""
        self._set(Trouble(failure.fault, failure.reason))
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._try_again(), name="store-probe")

    def over(self) -> None:
        """A commit worked. Cheap: every one says so."""
        if self.now is not None:
            self._set(None)

    async def close(self) -> None:
        """End the task. Idempotent."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _try_again(self) -> None:
        wait_s = self._probe_s
        while self.now is not None:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_PROBE_S)
            try:
                await self._probe()
            except StoreFailed as failure:
                self._set(Trouble(failure.fault, failure.reason))
            else:
                self.over()
        self._task = None

    def _set(self, trouble: Trouble | None) -> None:
        if trouble != self.now:
            self.now = trouble
            self.on_change(trouble)
