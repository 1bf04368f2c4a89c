"""A few hundred records side by side: 48 bytes each, with the sum of their ids kept up to date."""

from array import array
from bisect import bisect_left, bisect_right

from .keys import ID_BYTES, TIME_BYTES
from .sums import MAX_SUMMED, sum_of_ids

MAX_RECORDS = MAX_SUMMED
"""A leaf that has more is to be split."""


class Leaf:
    """Records in order; a slot is a record's place among them."""

    __slots__ = ("ids", "places", "timestamps", "total")

    def __init__(self, timestamps: "array[int]", ids: bytearray, places: "array[int]") -> None:
        """Takes them over: `timestamps` and `places` of type Q, `ids` of 32 bytes each."""
        self.timestamps = timestamps
        self.ids = ids
        self.places = places
        self.total = sum_of_ids(ids)

    def __len__(self) -> int:
        return len(self.timestamps)

    def slot(self, bound: bytes) -> int:
        """Of the first record that is not below the bound."""
        timestamp = int.from_bytes(bound[:TIME_BYTES], "big")
        low = bisect_left(self.timestamps, timestamp)
        if len(bound) == TIME_BYTES or low == len(self.timestamps) or self.timestamps[low] != timestamp:
            return low
        prefix, high = bound[TIME_BYTES:], bisect_right(self.timestamps, timestamp, low)
        while low < high:
            middle = (low + high) // 2
            if self.ids[ID_BYTES * middle : ID_BYTES * (middle + 1)] < prefix:
                low = middle + 1
            else:
                high = middle
        return low

    def key(self, slot: int) -> bytes:
        """40 bytes."""
        return self.timestamps[slot].to_bytes(TIME_BYTES, "big") + self.ids_between(slot, slot + 1)

    def has(self, slot: int, key: bytes) -> bool:
        """Whether this key is the one in that slot."""
        return slot < len(self.timestamps) and self.key(slot) == key

    def ids_between(self, low: int, high: int) -> bytes:
        """Those of the slots from `low` up to but without `high`, one behind the other."""
        return bytes(self.ids[ID_BYTES * low : ID_BYTES * high])

    def sum_between(self, low: int, high: int) -> int:
        """Of the ids of these slots; not reduced."""
        return sum_of_ids(self.ids[ID_BYTES * low : ID_BYTES * high])

    def insert(self, slot: int, key: bytes, place: int) -> None:
        """The caller has looked up the slot, and that it holds another key."""
        self.timestamps.insert(slot, int.from_bytes(key[:TIME_BYTES], "big"))
        self.ids[ID_BYTES * slot : ID_BYTES * slot] = key[TIME_BYTES:]
        self.places.insert(slot, place)
        self.total += int.from_bytes(key[TIME_BYTES:], "little")

    def remove(self, low: int, high: int) -> None:
        """The records of the slots from `low` up to but without `high`."""
        self.total -= self.sum_between(low, high)
        del self.timestamps[low:high]
        del self.ids[ID_BYTES * low : ID_BYTES * high]
        del self.places[low:high]

    def split(self) -> "Leaf":
        """Keeps the lower half and returns the upper one."""
        half = len(self.timestamps) // 2
        upper = Leaf(self.timestamps[half:], self.ids[ID_BYTES * half :], self.places[half:])
        # Copies, for a list that is cut keeps the room of what it lost.
        self.timestamps, self.ids = self.timestamps[:half], self.ids[: ID_BYTES * half]
        self.places = self.places[:half]
        self.total -= upper.total
        return upper

    def append(self, other: "Leaf") -> None:
        """Take over the records of the leaf that comes next."""
        self.timestamps.extend(other.timestamps)
        self.ids += other.ids
        self.places.extend(other.places)
        self.total += other.total
