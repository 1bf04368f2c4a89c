"""A set that forgets the oldest: two generations, swapped when the newer is full."""

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
