"""One lazy timer. Moving its deadline costs an assignment, so that each of many small waits can have one."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls back when the deadline that was set last has passed; `expired` then stays true."""

    def __init__(self, expired: Callable[[], object]) -> None:
        self.expired = False
        self._call = expired
        self._loop = asyncio.get_running_loop()
        self._when: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def set(self, after_s: float) -> None:
        """The deadline is so many seconds from now; an earlier one is forgotten."""
        self._when = when = self._loop.time() + after_s
        if self._timer is None or when < self._armed_for:
            self._arm(when)

    def clear(self) -> None:
        """There is no deadline for now. Idempotent."""
        self._when = None

    def close(self) -> None:
        """For good. Idempotent."""
        self._when = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """The timer rings for the deadline that it was armed for, which may have moved since."""
        self._timer = None
        if self._when is None:
            return
        if self._loop.time() < self._when:
            self._arm(self._when)
            return
        self._when = None
        self.expired = True
        self._call()
