"""Sets and counts that forget the oldest: two generations, swapped when the newer is full."""

from collections.abc import Iterable


class RotatingSet:
    """Remembers at least the last `capacity` values and at most twice as many."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, value: bytes) -> bool:
        return value in self._new or value in self._old

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def update(self, values: Iterable[bytes]) -> None:
        """Add values, one generation at a time."""
        for value in values:
            self._new.add(value)
            if len(self._new) >= self._capacity:
                self._old, self._new = self._new, set()


class RotatingCounter:
    """Counts of at least the last `capacity` values, and of at most twice as many."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._new: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._new.keys() | self._old.keys())

    def add(self, value: bytes) -> int:
        """Count a value once more; how often it was counted, this time included."""
        count = (self._new.get(value) or self._old.get(value, 0)) + 1
        self._new[value] = count
        if len(self._new) >= self._capacity:
            self._old, self._new = self._new, {}
        return count
