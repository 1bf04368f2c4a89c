from bisect import bisect_left, insort
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from pushmesh_node.sync.index import Index
from pushmesh_node.sync.keys import END, MAX_TIMESTAMP, START, bound_at, key_of
from pushmesh_node.sync.leaf import MAX_RECORDS
from support.naive_negentropy import fingerprint

Record = tuple[int, bytes]


class Naive:
    """The same set as a sorted list."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def insert(self, timestamp: int, record_id: bytes) -> bool:
        if (timestamp, record_id) in self.records:
            return False
        insort(self.records, (timestamp, record_id))
        return True

    def remove(self, timestamp: int, record_id: bytes) -> bool:
        if (timestamp, record_id) not in self.records:
            return False
        self.records.remove((timestamp, record_id))
        return True

    def drop_below(self, timestamp: int) -> int:
        before = len(self.records)
        self.records = [each for each in self.records if each[0] >= timestamp]
        return before - len(self.records)


def check(index: Index, records: list[Record], ranges: list[tuple[int, int]]) -> None:
    """Everything that can be asked, for some ranges of positions in this order."""
    assert list(index) == records
    assert len(index) == len(records)
    for one, other in ranges:
        low, high = sorted((one % (len(records) + 1), other % (len(records) + 1)))
        ids = [each for _, each in records[low:high]]
        assert index.fingerprint(low, high) == fingerprint(ids)
        assert b"".join(index.ids(low, high)) == b"".join(ids)
        if low < len(records):
            key = key_of(*records[low])
            assert index.key(low) == key
            assert index.position(key) == low
            assert index.position(key[:9]) == bisect_left(records, (records[low][0], key[8:9]))
            assert index.has(*records[low])
    assert (index.position(START), index.position(END)) == (0, len(records))


# Few timestamps and ids, so that many records share one; enough of them to fill leaves is what the long test is for.
SOME_RECORDS = st.tuples(st.integers(0, 4), st.integers(0, 40).map(lambda number: bytes([number]) * 32))
ORDERS = st.tuples(st.sampled_from(["insert", "insert", "remove", "drop_below"]), SOME_RECORDS)


@given(st.lists(ORDERS, max_size=60), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=9))
@settings(max_examples=150, deadline=None)
def test_any_inserts_and_removals_leave_what_a_sorted_list_would(
    orders: list[tuple[str, Record]], ranges: list[tuple[int, int]]
) -> None:
    index, naive = Index(), Naive()
    for order, (timestamp, record_id) in orders:
        if order == "drop_below":
            assert index.drop_below(timestamp) == naive.drop_below(timestamp)
        else:
            assert getattr(index, order)(timestamp, record_id) == getattr(naive, order)(timestamp, record_id)
    check(index, naive.records, ranges)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("timestamps", [1, 7, 10**9])
def test_leaves_that_fill_and_empty_keep_the_order(seed: int, timestamps: int) -> None:
    randomness = Random(seed)
    index, records = Index(), list[Record]()
    for most in (6 * MAX_RECORDS, MAX_RECORDS // 2, 3 * MAX_RECORDS, 0, 20):
        while len(records) != most:
            if len(records) < most:
                record = (randomness.randrange(timestamps), randomness.randbytes(32))
                insort(records, record)
                assert index.insert(*record, len(records))
                assert not index.insert(*record)
            else:
                record = records.pop(randomness.randrange(len(records)))
                assert index.remove(*record)
                assert not index.remove(*record)
        ranges = [(randomness.randrange(most + 1), randomness.randrange(most + 1)) for _ in range(50)]
        check(index, records, [*ranges, *zip(range(0, most, 60), range(60, most + 60, 60), strict=True)])


def test_what_comes_sorted_is_the_same_set_and_can_be_changed() -> None:
    randomness = Random(1)
    records = sorted((randomness.randrange(50), randomness.randbytes(32)) for _ in range(3000))
    index = Index.of_sorted((*record, place) for place, record in enumerate(records))
    check(index, records, [(7, 2991), (0, 3000), (383, 385), (384, 768)])
    assert list(index.places(380, 390)) == [(records[place][1], place) for place in range(380, 390)]
    assert index.remove(*records.pop(1500))
    assert index.insert(25, bytes(32), 7)
    insort(records, (25, bytes(32)))
    check(index, records, [(1, 3000), (0, 1500)])
    assert list(Index.of_sorted([])) == []


@pytest.mark.parametrize(
    "records",
    [
        [(1, bytes(32), 0), (0, bytes(32), 0)],
        [(1, bytes(32), 0), (1, bytes(32), 1)],
        [(number // 384, bytes(30) + (number % 384).to_bytes(2, "big"), 0) for number in range(385)]
        + [(0, b"b" * 32, 0)],
        [(0, bytes(31), 0)],
        [(MAX_TIMESTAMP + 1, bytes(32), 0)],
        [(-1, bytes(32), 0)],
    ],
)
def test_what_is_not_sorted_or_no_record_is_refused(records: list[tuple[int, bytes, int]]) -> None:
    with pytest.raises(ValueError, match="record"):
        Index.of_sorted(records)


def test_what_cannot_be_a_record_is_refused() -> None:
    index = Index()
    for act in (index.insert, index.remove, index.has):
        with pytest.raises(ValueError, match="no record has"):
            act(MAX_TIMESTAMP + 1, bytes(32))
    with pytest.raises(IndexError):
        index.key(0)


def test_a_floor_within_a_leaf_and_one_above_everything() -> None:
    records = [(number // 3, number.to_bytes(32, "big")) for number in range(3000)]
    index = Index.of_sorted((*record, 0) for record in records)
    assert index.drop_below(0) == 0
    assert index.drop_below(500) == 1500
    check(index, records[1500:], [(0, 1500), (3, 700)])
    assert index.position(bound_at(501)) == 3
    assert index.drop_below(MAX_TIMESTAMP) == 1500
    check(index, [], [])
    assert index.insert(3, bytes(32))
    check(index, [(3, bytes(32))], [(0, 1)])


def test_places_go_with_their_records_through_splits() -> None:
    randomness = Random(2)
    index, places = Index(), dict[bytes, int]()
    for place in range(4 * MAX_RECORDS):
        record_id = randomness.randbytes(32)
        index.insert(randomness.randrange(9), record_id, place)
        places[record_id] = place
    assert dict(index.places(0, len(index))) == places
    some = list(index.places(100, 1700))
    assert b"".join(key for key, _ in some) == b"".join(index.ids(100, 1700))
    assert all(places[key] == place for key, place in some)
