"""Virtual time: a queue of what happens when. Nothing here, and nothing that runs on it, reads a real clock."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any


class Clock:
    """Time begins at 0 microseconds, which is `began_unix_ms`. What is due at one time happens in the order in which
    it was ordered."""

    def __init__(self, began_unix_ms: int) -> None:
        self.now_us = 0
        self._began_unix_ms = began_unix_ms
        self._serial = 0
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []

    @property
    def now_ms(self) -> int:
        """Whole milliseconds since the beginning: the steady clock of every node."""
        return self.now_us // 1_000

    @property
    def unix_ms(self) -> int:
        """The wall clock of every node."""
        return self._began_unix_ms + self.now_us // 1_000

    def at(self, time_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action(*arguments)` then; at once, but not before this returns, where the time is past."""
        self._serial += 1
        heappush(self._queue, (max(time_us, self.now_us), self._serial, action, arguments))

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """The same, counted from now."""
        self.at(self.now_us + delay_us, action, *arguments)

    def run_until(self, end_us: int) -> int:
        """Let everything happen that is due by then; how many things did."""
        queue, done = self._queue, 0
        with _collector_off():
            while queue and queue[0][0] <= end_us:
                self.now_us, _, action, arguments = heappop(queue)
                action(*arguments)
                done += 1
        self.now_us = max(self.now_us, end_us)
        return done


class SkewedClock(Clock):
    """A node's view of a clock: its wall clock is off by so much, all else is the same."""

    def __init__(self, clock: Clock, skew_ms: int) -> None:
        self._clock = clock
        self._skew_ms = skew_ms

    @property
    def now_us(self) -> int:  # type: ignore[override]  # only `run_until` of the clock behind sets it
        """See `Clock`."""
        return self._clock.now_us

    @property
    def unix_ms(self) -> int:
        """See `Clock`."""
        return self._clock.unix_ms + self._skew_ms

    def at(self, time_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """See `Clock`."""
        self._clock.at(time_us, action, *arguments)


@contextmanager
def _collector_off() -> Iterator[None]:
    """The collector walks over millions of objects that live as long as the world, again and again; reference counts
    free what does not."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
