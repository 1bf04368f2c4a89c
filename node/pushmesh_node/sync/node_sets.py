"""A node's sets in memory, bucket by bucket, as the two sides of a session read them (SPEC 9.1, 9.7, 9.8). Obeys
`ports.Sets`."""

from collections.abc import Iterator, Sequence
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .fan_out import FanOut
from .faults import BadMessage
from .index import Index
from .keys import END, ID_BYTES, bound_at
from .negentropy import Initiator, Limits, respond
from .parts import length_ms, set_of
from .ports import Needs, Snapshot
from .words import BucketName, BucketPrint

Key = tuple[int, int]

FAN_OUT: Final = FanOut()
_EMPTY: Final = Index()


class NodeSets:
    """All sets of one node. `insert` and `remove` say whether anything changed."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._buckets: dict[Key, Index] = {}

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def insert(self, part: int, timestamp: int, id_: bytes, place: int) -> bool:
        """A record; its place is the commit number."""
        key = (part, timestamp // length_ms(part, self._shards))
        index = self._buckets.get(key)
        if index is None:
            index = self._buckets[key] = Index()
        return index.insert(timestamp, id_, place)

    def remove(self, part: int, timestamp: int, id_: bytes) -> bool:
        """A record that does not belong any more."""
        key = (part, timestamp // length_ms(part, self._shards))
        index = self._buckets.get(key)
        if index is None or not index.remove(timestamp, id_):
            return False
        if not len(index):
            del self._buckets[key]
        return True

    def has(self, part: int, timestamp: int, id_: bytes) -> bool:
        """Whether the record is there."""
        index = self._buckets.get((part, timestamp // length_ms(part, self._shards)))
        return index is not None and index.has(timestamp, id_)

    def drop_below(self, timestamp: int, set_no: int | None = None) -> int:
        """Remove what ends sooner, of one set or of all; how many records went."""
        dropped = 0
        for key in list(self._buckets):
            part, number = key
            length = length_ms(part, self._shards)
            if number * length >= timestamp or set_no not in (None, set_of(part, self._shards)):
                continue
            index = self._buckets[key]
            dropped += index.drop_below(timestamp)
            if not len(index):
                del self._buckets[key]
        return dropped

    def members(self) -> Iterator[tuple[int, int, bytes]]:
        """(part, timestamp, id) of everything. The sets must not change meanwhile."""
        for (part, _), index in self._buckets.items():
            for timestamp, id_ in index:
                yield part, timestamp, id_

    # See `ports.Sets`

    def prints(self, floors: Sequence[int]) -> list[BucketPrint]:
        """See `Sets`."""
        prints = []
        for (part, number), index in sorted(self._buckets.items()):
            low = index.position(bound_at(floors[set_of(part, self._shards)]))
            if low < len(index):
                prints.append(BucketPrint(part, number, index.fingerprint(low, len(index))))
        return prints

    def reconcile(self, name: BucketName, floors: Sequence[int], limit_bytes: int) -> "BucketReconciliation":
        """See `Sets`."""
        return BucketReconciliation(name, self._index(name), self._floor(name, floors), limit_bytes)

    def reply(
        self,
        name: BucketName,
        floors: Sequence[int],
        message: bytes,
        limit_bytes: int,
        numbers: Iterator[int] | None = None,
    ) -> bytes:
        """Answer a peer's message; `numbers` are those of `read_ranges`. Raises Refusal `malformed`."""
        try:
            return respond(self._index(name), message, FAN_OUT, Limits(), limit_bytes, numbers)
        except BadMessage as error:
            raise Refusal(Reason.MALFORMED, "9.8", str(error.fault)) from error

    def snapshot(self, name: BucketName, floors: Sequence[int]) -> Snapshot:
        """See `Sets`."""
        index = self._index(name)
        low = index.position(bound_at(self._floor(name, floors)))
        return Snapshot(index.fingerprint(low, len(index)), b"".join(index.ids(low, len(index))))

    def ids(self, name: BucketName, floors: Sequence[int], lower: bytes, most: int) -> tuple[list[bytes], bytes]:
        """See `Sets`."""
        index = self._index(name)
        low = index.position(max(lower, bound_at(self._floor(name, floors))))
        high = min(len(index), low + most)
        ids = [id_ for piece in index.ids(low, high) for id_ in _each(piece)]
        return ids, END if high == len(index) else index.key(high)

    def between(self, name: BucketName, lower: bytes, upper: bytes) -> frozenset[bytes]:
        """See `Sets`."""
        index = self._index(name)
        low, high = index.position(lower), index.position(upper)
        return frozenset([id_ for piece in index.ids(low, high) for id_ in _each(piece)])

    # For heads

    def count(self, name: BucketName, lower: bytes, upper: bytes) -> int:
        """Records between two bounds."""
        index = self._index(name)
        return index.position(upper) - index.position(lower)

    def places(self, name: BucketName, lower: bytes, upper: bytes) -> dict[bytes, int]:
        """The places of all records between two bounds."""
        index = self._index(name)
        return dict(index.places(index.position(lower), index.position(upper)))

    def _index(self, name: BucketName) -> Index:
        return self._buckets.get((name.part, name.number), _EMPTY)

    def _floor(self, name: BucketName, floors: Sequence[int]) -> int:
        return floors[set_of(name.part, self._shards)]


class BucketReconciliation:
    """Obeys `ports.Reconciliation`."""

    def __init__(self, name: BucketName, index: Index, floor: int, limit_bytes: int) -> None:
        self._name = name
        self._initiator = Initiator(index, FAN_OUT, Limits(lacking=None), floor)
        self._limit_bytes = limit_bytes

    def begin(self) -> bytes:
        """See `Reconciliation`."""
        return self._initiator.open(room_bytes=self._limit_bytes)

    def take(self, message: bytes, numbers: Iterator[int] | None = None) -> tuple[bytes | None, list[Needs]]:
        """See `Reconciliation`."""
        try:
            difference, question = self._initiator.receive(message, self._limit_bytes, numbers)
        except BadMessage as error:
            raise Refusal(Reason.MALFORMED, "9.8", str(error.fault)) from error
        return question, [Needs(self._name, *gap) for gap in difference.gaps]


def _each(ids: bytes) -> Iterator[bytes]:
    return (ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))
