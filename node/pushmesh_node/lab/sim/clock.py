"""Virtual time: a queue of what happens when. Nothing here, and nothing that runs on it, reads a real clock."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from typing import Any, Final

SLICE_BITS: Final = 12
"""A slice of time is 4,096 microseconds."""

_Due = tuple[int, int, Callable[..., None], tuple[Any, ...]]


class Clock:
    """Time begins at 0 microseconds, which is `began_unix_ms`. What is due at one time happens in the order in which
    it was ordered.

    Only what is due in the present slice of time lies in a heap, the rest as it came, by its slice: one heap of
    hundreds of thousands takes a tenth of a simulation's time."""

    def __init__(self, began_unix_ms: int) -> None:
        self.now_us = 0
        self._began_unix_ms = began_unix_ms
        self._serial = 0
        self._slice = 0
        self._soon: list[_Due] = []  # a heap: all of the present slice
        self._later: dict[int, list[_Due]] = {}  # by their slice
        self._slices: list[int] = []  # a heap: the keys of `_later`

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
        if time_us < self.now_us:
            time_us = self.now_us
        number = time_us >> SLICE_BITS
        if number <= self._slice:
            heappush(self._soon, (time_us, self._serial, action, arguments))
        elif (later := self._later.get(number)) is not None:
            later.append((time_us, self._serial, action, arguments))
        else:
            self._later[number] = [(time_us, self._serial, action, arguments)]
            heappush(self._slices, number)

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """The same, counted from now."""
        self.at(self.now_us + delay_us, action, *arguments)

    def run_until(self, end_us: int) -> int:
        """Let everything happen that is due by then; how many things did."""
        done = 0
        with _collector_off():
            while self._is_due(end_us):
                soon = self._soon
                while soon and soon[0][0] <= end_us:
                    self.now_us, _, action, arguments = heappop(soon)
                    action(*arguments)
                    done += 1
        self.now_us = max(self.now_us, end_us)
        return done

    def _is_due(self, end_us: int) -> bool:
        """Whether anything is due by then; it is the first of `_soon`."""
        if not self._soon and self._slices and self._slices[0] << SLICE_BITS <= end_us:
            self._slice = heappop(self._slices)
            self._soon = self._later.pop(self._slice)
            heapify(self._soon)
        return bool(self._soon) and self._soon[0][0] <= end_us


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
