"""Sets and counts that forget the oldest, a small part at a time: so what they take stays what it is once they are
full, where two large halves would let it swing between half and all of it."""

from collections import deque
from collections.abc import Iterable, Set

SHARE = 8
"""The newest generation is full at this part of the capacity."""


class RotatingSet:
    """Remembers at least the last `capacity` values and at most an eighth more."""

    def __init__(self, capacity: int) -> None:
        self._share, past = shares(capacity)
        self._new: set[bytes] = set()
        self._generations = deque([self._new], past + 1)  # the newest is first

    def __contains__(self, value: bytes) -> bool:
        for generation in self._generations:  # any() takes four times as long
            if value in generation:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def among(self, values: Set[bytes]) -> set[bytes]:
        """Those of them that it remembers."""
        return set().union(*[values & generation for generation in self._generations])

    def update(self, values: Iterable[bytes]) -> None:
        """Add values, one generation at a time."""
        for value in values:
            self._new.add(value)
            if len(self._new) >= self._share:
                self._new = set()
                self._generations.appendleft(self._new)


class RotatingCounter:
    """Counts of at least the last `capacity` values, and of at most an eighth more."""

    def __init__(self, capacity: int) -> None:
        self._share, past = shares(capacity)
        self._new: dict[bytes, int] = {}
        self._generations = deque([self._new], past + 1)  # the newest is first

    def __len__(self) -> int:
        return len(set().union(*self._generations))

    def add(self, value: bytes) -> int:
        """Count a value once more; how often it was counted, this time included."""
        count = self._count(value) + 1
        self._new[value] = count
        if len(self._new) >= self._share:
            self._new = {}
            self._generations.appendleft(self._new)
        return count

    def _count(self, value: bytes) -> int:
        for generation in self._generations:
            count = generation.get(value)
            if count is not None:
                return count
        return 0


def shares(capacity: int) -> tuple[int, int]:
    """How many values make a generation, and how many full ones hold the capacity."""
    share = max(1, capacity // SHARE)
    return share, -(-capacity // share)
