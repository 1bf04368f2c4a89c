"""The time by which the store lets go: the wall clock's, but for what that leapt ahead. What is let go does not come
back, so that a clock which is set wrong for a while must cost nothing. Reads no clock by itself."""

from collections.abc import Callable
from typing import Final

LEAP_MS: Final = 2_000
"""So much more than a clock that nobody sets, between two looks, is a leap and no drift."""

PATIENCE_S: Final = 3_600.0
"""A leap ahead that nobody took back for so long was right."""


class PatientClock:
    """To be looked at every second or so, or two leaps look like one. What it says may fall, as the wall clock may."""

    def __init__(self, wall_ms: Callable[[], int], monotonic_s: Callable[[], float]) -> None:
        self._wall_ms = wall_ms
        self._monotonic_s = monotonic_s
        self._seen = (wall_ms(), monotonic_s())
        self._ahead_ms = 0
        self._leapt_s = 0.0

    def now_ms(self) -> int:
        """Unix ms."""
        wall_ms, monotonic_s = self._wall_ms(), self._monotonic_s()
        leap_ms = wall_ms - self._seen[0] - int((monotonic_s - self._seen[1]) * 1_000)
        self._seen = (wall_ms, monotonic_s)
        if leap_ms > LEAP_MS:
            self._ahead_ms, self._leapt_s = self._ahead_ms + leap_ms, monotonic_s
        elif leap_ms < -LEAP_MS:
            self._ahead_ms = max(0, self._ahead_ms + leap_ms)
        if monotonic_s - self._leapt_s >= PATIENCE_S:
            self._ahead_ms = 0
        return wall_ms - self._ahead_ms
