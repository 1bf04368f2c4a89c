"""How counters decay: by whole intervals, however late the caller looks. Holds no counter."""


class DecaySteps:
    """Counts whole intervals from the first call on. Time never goes back."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._last_ms: int | None = None

    def due(self, now_ms: int) -> int:
        """How many intervals ended since the last call; what is left of an interval counts the next time."""
        if self._last_ms is None:
            self._last_ms = now_ms
        steps = (now_ms - self._last_ms) // self._interval_ms
        self._last_ms += steps * self._interval_ms
        return steps


def decayed(value: float, factor: float, to_zero: float) -> float:
    """Exactly 0 from `to_zero` down, so that what decays is forgotten some day."""
    value *= factor
    return value if value > to_zero else 0.0
