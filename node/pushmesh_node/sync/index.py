"""The set of one bucket in memory: records ordered by timestamp and id, kept up to date by inserts and removals.

Leaves of a few hundred records, each with the sum of its ids; sums over leaves are made again after a change, when they
are next asked for. It never knows what a record stands for.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from operator import lt
from typing import Final, Protocol, Self

from .keys import START, bound_at, key_of
from .leaf import MAX_RECORDS, Leaf
from .sums import fingerprint_of

_FILLED: Final = MAX_RECORDS * 3 // 4
_SPARSE: Final = MAX_RECORDS // 8


class Records(Protocol):
    """What reconciliation reads. A position is a record's place in the order, from 0; a bound is that of `keys`."""

    def __len__(self) -> int: ...

    def position(self, bound: bytes) -> int:
        """Of the first record that is not below the bound; their count if there is none."""
        ...

    def key(self, position: int) -> bytes:
        """40 bytes. Raises IndexError where there is no record."""
        ...

    def ids(self, low: int, high: int) -> Iterator[bytes]:
        """The 32-byte ids from position `low` up to but without `high`, some hundreds side by side in each piece."""
        ...

    def fingerprint(self, low: int, high: int) -> bytes:
        """The 16 bytes of Negentropy V1 for the records from position `low` up to but without `high`."""
        ...


class Index:
    """See `Records` for what is read. A record takes about 55 bytes of memory, an insert some microseconds.

    Its place is a number of the caller's, from 0 to 2^64 - 1, that takes part in nothing."""

    def __init__(self) -> None:
        self._reset([Leaf(array("Q"), bytearray(), array("Q"))])

    @classmethod
    def of_sorted(cls, records: Iterable[tuple[int, bytes, int]]) -> Self:
        """From (timestamp, id, place) in strictly ascending order of the first two, twenty times as fast as by inserts.
        Raises ValueError for records that are not so, or cannot be."""
        index, source, leaves, last = cls(), iter(records), list[Leaf](), START
        while some := list(islice(source, _FILLED)):
            keys = [key_of(timestamp, record_id) for timestamp, record_id, _ in some]
            if (leaves and keys[0] <= last) or not all(map(lt, keys, keys[1:])):
                raise ValueError("records are to come in strictly ascending order")
            last = keys[-1]
            timestamps, ids, places = zip(*some, strict=True)
            leaves.append(Leaf(array("Q", timestamps), bytearray(b"".join(ids)), array("Q", places)))
        if leaves:
            index._reset(leaves)
        return index

    def _reset(self, leaves: list[Leaf]) -> None:
        self._leaves = leaves
        self._lowest = [START, *(leaf.key(0) for leaf in leaves[1:])]
        """Of each leaf a bound that is above the leaf before and not above its own records."""
        self._count = sum(map(len, leaves))
        self._total = sum(leaf.total for leaf in leaves)
        self._change()

    def _change(self) -> None:
        self._starts: list[int] | None = None
        self._sums: list[int] = []
        self._here = (0, 0, 0)
        """A leaf, a slot in it, and the sum of the ids below that slot: ranges are mostly asked for in order."""

    def __len__(self) -> int:
        """How many records."""
        return self._count

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """(timestamp, id) in order. The index must not change meanwhile."""
        for leaf in self._leaves:
            for slot, timestamp in enumerate(leaf.timestamps):
                yield timestamp, leaf.ids_between(slot, slot + 1)

    def insert(self, timestamp: int, record_id: bytes, place: int = 0) -> bool:
        """False, and no effect, if it is there already. Raises ValueError for what cannot be a record."""
        key = key_of(timestamp, record_id)
        number = bisect_right(self._lowest, key) - 1
        leaf = self._leaves[number]
        slot = leaf.slot(key)
        if leaf.has(slot, key):
            return False
        before = leaf.total
        leaf.insert(slot, key, place)
        self._count += 1
        self._total += leaf.total - before
        if len(leaf) > MAX_RECORDS:
            upper = leaf.split()
            self._leaves.insert(number + 1, upper)
            self._lowest.insert(number + 1, upper.key(0))
        self._change()
        return True

    def remove(self, timestamp: int, record_id: bytes) -> bool:
        """False, and no effect, if it is not there. Raises ValueError for what cannot be a record."""
        key = key_of(timestamp, record_id)
        number = bisect_right(self._lowest, key) - 1
        leaf = self._leaves[number]
        slot = leaf.slot(key)
        if not leaf.has(slot, key):
            return False
        before = leaf.total
        leaf.remove(slot, slot + 1)
        self._count -= 1
        self._total += leaf.total - before
        if len(leaf) < _SPARSE:
            self._join(number)
        self._change()
        return True

    def _join(self, number: int) -> None:
        """Put a leaf of few records together with a neighbour, if it is empty or both fit into one with some room."""
        for left in (number - 1, number):
            if 0 <= left < len(self._leaves) - 1:
                low, high = self._leaves[left : left + 2]
                if len(low) + len(high) <= _FILLED or not low or not high:
                    low.append(high)
                    del self._leaves[left + 1], self._lowest[left + 1]
                    return

    def drop_below(self, timestamp: int) -> int:
        """Remove every record of an earlier timestamp; how many there were."""
        bound = bound_at(timestamp)
        number = bisect_right(self._lowest, bound) - 1
        leaf, before = self._leaves[number], self._count
        leaf.remove(0, leaf.slot(bound))
        self._reset(self._leaves[number:])
        return before - self._count

    def has(self, timestamp: int, record_id: bytes) -> bool:
        """Whether the record is there. Raises ValueError for what cannot be a record."""
        key = key_of(timestamp, record_id)
        leaf = self._leaves[bisect_right(self._lowest, key) - 1]
        return leaf.has(leaf.slot(key), key)

    def position(self, bound: bytes) -> int:
        """See `Records`."""
        number = bisect_right(self._lowest, bound) - 1
        return self._leaf_starts()[number] + self._leaves[number].slot(bound)

    def key(self, position: int) -> bytes:
        """See `Records`."""
        if not 0 <= position < self._count:
            raise IndexError(position)
        number, slot = self._find(position)
        return self._leaves[number].key(slot)

    def ids(self, low: int, high: int) -> Iterator[bytes]:
        """See `Records`. The index must not change meanwhile."""
        number, slot = self._find(low)
        while low < high:
            leaf = self._leaves[number]
            piece = leaf.ids_between(slot, slot + high - low)
            yield piece
            low += len(leaf) - slot
            number, slot = number + 1, 0

    def places(self, low: int, high: int) -> Iterator[tuple[bytes, int]]:
        """(id, place) of the records from position `low` up to but without `high`. The index must not change
        meanwhile."""
        number, slot = self._find(low)
        while low < high:
            leaf = self._leaves[number]
            for at in range(slot, min(len(leaf), slot + high - low)):
                yield leaf.ids_between(at, at + 1), leaf.places[at]
            low += len(leaf) - slot
            number, slot = number + 1, 0

    def fingerprint(self, low: int, high: int) -> bytes:
        """See `Records`."""
        if low >= high:
            return fingerprint_of(0, 0)
        if high - low == self._count:
            return fingerprint_of(self._total, self._count)
        below = self._sum_below(low)
        return fingerprint_of(self._sum_below(high) - below, high - low)

    def _leaf_starts(self) -> list[int]:
        """The position of each leaf's first record."""
        if self._starts is None:
            self._starts = list(accumulate(map(len, self._leaves[:-1]), initial=0))
            self._sums = list(accumulate((leaf.total for leaf in self._leaves), initial=0))
        return self._starts

    def _find(self, position: int) -> tuple[int, int]:
        starts = self._leaf_starts()
        number = bisect_right(starts, position) - 1
        return number, position - starts[number]

    def _sum_below(self, position: int) -> int:
        """Of the ids of all records before this position, from the nearest place where the sum is known."""
        number, slot = self._find(position)
        leaf = self._leaves[number]
        low, known = 0, 0
        high, rest = len(leaf), leaf.total
        here_number, here_slot, here_sum = self._here
        if here_number == number:
            if here_slot <= slot:
                low, known = here_slot, here_sum
            else:
                high, rest = here_slot, here_sum
        if slot - low <= high - slot:
            within = known + leaf.sum_between(low, slot)
        else:
            within = rest - leaf.sum_between(slot, high)
        self._here = (number, slot, within)
        return self._sums[number] + within
