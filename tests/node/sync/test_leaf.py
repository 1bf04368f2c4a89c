from array import array

from pushmesh_node.sync.keys import bound_at, key_of
from pushmesh_node.sync.leaf import Leaf

RECORDS = [(5, b"\x01" * 32), (7, b"\x02" * 32), (7, b"\x02" * 31 + b"\x03"), (7, b"\xff" * 32), (9, bytes(32))]


def leaf(records: list[tuple[int, bytes]]) -> Leaf:
    timestamps = array("Q", [timestamp for timestamp, _ in records])
    return Leaf(timestamps, bytearray(b"".join(each for _, each in records)), array("Q", range(len(records))))


def content(of: Leaf) -> list[tuple[bytes, int]]:
    return [(of.key(slot), of.places[slot]) for slot in range(len(of))]


def total(records: list[tuple[int, bytes]]) -> int:
    return sum(int.from_bytes(each, "little") for _, each in records)


def test_records_of_one_timestamp_are_told_apart_by_their_ids() -> None:
    whole = leaf(RECORDS)
    assert [whole.slot(key_of(*each)) for each in RECORDS] == [0, 1, 2, 3, 4]
    assert [whole.slot(bound_at(timestamp)) for timestamp in (0, 5, 6, 7, 8, 9, 10)] == [0, 0, 1, 1, 4, 4, 5]
    assert whole.slot(bound_at(7) + b"\x02") == 1
    assert whole.slot(bound_at(7) + b"\x02" * 31 + b"\x03") == 2
    assert whole.slot(bound_at(7) + b"\x03") == 3


def test_a_leaf_that_is_split_and_put_together_again_is_the_same() -> None:
    whole = leaf(RECORDS)
    upper = whole.split()
    assert [content(each) for each in (whole, upper)] == [content(leaf(RECORDS))[:2], content(leaf(RECORDS))[2:]]
    assert (whole.total, upper.total) == (total(RECORDS[:2]), total(RECORDS[2:]))
    whole.append(upper)
    assert content(whole) == content(leaf(RECORDS))
    assert whole.total == total(RECORDS)


def test_what_is_removed_and_inserted_again_is_there_with_its_new_place() -> None:
    whole = leaf(RECORDS)
    whole.remove(1, 3)
    assert whole.total == total(RECORDS[:1] + RECORDS[3:])
    assert not whole.has(1, key_of(*RECORDS[1]))
    for slot in (1, 2):
        whole.insert(slot, key_of(*RECORDS[slot]), 70 + slot)
    assert whole.has(1, key_of(*RECORDS[1]))
    assert not whole.has(5, key_of(*RECORDS[1]))
    assert list(whole.places) == [0, 71, 72, 3, 4]
    assert whole.total == total(RECORDS)
    assert whole.sum_between(1, 3) == total(RECORDS[1:3])
    assert whole.ids_between(3, 5) == RECORDS[3][1] + RECORDS[4][1]
