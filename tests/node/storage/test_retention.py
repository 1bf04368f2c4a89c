import sqlite3

import pytest

from pushmesh_node.storage.retention import DAY_MS, NONE, Bounds, Excess, excess_of, prune, read_floors
from pushmesh_node.storage.sums import RECEIPTS, with_sum
from pushmesh_node.storage.tally import Amount
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import EVERYBODY, HOUR_MS, NEWS, NOW, OFFERS, record

LATER = NOW + 100 * DAY_MS
OLD = NOW - 30 * DAY_MS
SET = len(NEWS.name)


@pytest.fixture
def full(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Ten records of ten bytes, that end hour after hour in the reverse order of their coming; two of another set; and
    one that ends after the horizon."""
    hours = [record(n, expires_at=NOW + (11 - n) * HOUR_MS, issued_at=OLD + n, data=bytes(10)) for n in range(1, 11)]
    others = [record(n, topic=OFFERS, expires_at=NOW + HOUR_MS, issued_at=OLD) for n in (11, 12)]
    late = record(13, expires_at=NOW + 2 * DAY_MS, issued_at=OLD, data=bytes(10))
    write_group(connection, [*hours, *others, late], TopicNumbers(lambda topic: len(topic.name)), 0)
    return connection


def held(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT first_commit FROM items ORDER BY 1")]


def test_the_soonest_end_goes_first_and_the_floor_follows(full: sqlite3.Connection) -> None:
    pruned = prune(full, {SET: Excess(3, 0, 0)}, NOW, LATER, 100)
    assert pruned.sets == {SET: Amount(3, 3, 30)}
    assert held(full) == [1, 2, 3, 4, 5, 6, 7, 11, 12, 13]
    assert read_floors(full) == pruned.floors == {SET: NOW + 3 * HOUR_MS + 1}


@pytest.mark.parametrize(
    ("excess", "gone"),
    [
        (Excess(0, 25, 0), [10, 9, 8]),
        (Excess(2, 35, 0), [10, 9, 8, 7]),
        (Excess(0, 0, OLD + 9), []),
        (Excess(0, 0, OLD + 11), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Excess(-5, -5, 0), []),
    ],
    ids=["bytes", "the more of both", "a younger one stands before the old", "age, as far as the horizon", "none"],
)
def test_so_many_go_as_are_too_much(full: sqlite3.Connection, excess: Excess, gone: list[int]) -> None:
    before = held(full)
    prune(full, {SET: excess}, NOW, LATER, 100)
    assert held(full) == [number for number in before if number not in gone]


def test_nothing_goes_that_ends_more_than_a_day_ahead(full: sqlite3.Connection) -> None:
    prune(full, {SET: Excess(1_000, 0, 0)}, NOW, LATER, 100)
    assert held(full) == [11, 12, 13]
    assert read_floors(full)[SET] <= NOW + DAY_MS + 1


def test_nothing_goes_that_a_receipt_promises_nor_what_ends_after_it(connection: sqlite3.Connection) -> None:
    plain = [record(n, expires_at=NOW + n * HOUR_MS, issued_at=OLD) for n in (1, 2, 4)]
    kept = record(3, expires_at=NOW + 3 * HOUR_MS, issued_at=OLD)
    write_group(connection, [*plain[:2], kept, plain[2]], TopicNumbers(), 0)
    row = with_sum((1, 3, 3, kept.expires_at, NOW + 1, b""))
    connection.execute(f"{RECEIPTS.insert} VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert prune(connection, {0: Excess(9, 0, 0)}, NOW, LATER, 100).sets[0].items == 2
    assert prune(connection, {0: Excess(9, 0, 0)}, NOW, LATER, 100).sets == {}
    assert held(connection) == [3, 4]
    prune(connection, {0: Excess(9, 0, 0)}, NOW + 1, LATER, 100)
    assert held(connection) == []


def test_nothing_goes_that_an_open_epoch_needs(full: sqlite3.Connection) -> None:
    prune(full, {SET: Excess(9, 0, 0)}, NOW, OLD + 9, 100)
    assert held(full) == list(range(1, 14))
    prune(full, {SET: Excess(9, 0, 0)}, NOW, OLD + 11, 100)
    assert held(full) == [1, 11, 12, 13]


def test_a_step_is_bounded_and_steps_reach_the_same_end(full: sqlite3.Connection) -> None:
    sizes = [prune(full, {SET: Excess(6 - done, 0, 0)}, NOW, LATER, 2).sets[SET].items for done in (0, 2, 4)]
    assert (sizes, held(full)) == ([2, 2, 2], [1, 2, 3, 4, 11, 12, 13])


def test_a_floor_never_falls_and_what_ends_together_may_go_in_steps(connection: sqlite3.Connection) -> None:
    write_group(
        connection, [record(n, expires_at=NOW + HOUR_MS, issued_at=OLD) for n in range(1, 6)], TopicNumbers(), 0
    )
    for left in (3, 1, 0):
        prune(connection, {0: Excess(5, 0, 0)}, NOW, LATER, 2)
        assert (len(held(connection)), read_floors(connection)) == (left, {0: NOW + HOUR_MS + 1})
    write_group(connection, [record(9, expires_at=NOW + 5, issued_at=OLD)], TopicNumbers(), 5)
    prune(connection, {0: Excess(1, 0, 0)}, NOW, LATER, 2)
    assert read_floors(connection) == {0: NOW + HOUR_MS + 1}


def test_rows_that_belong_to_a_pruned_item_go_with_it(connection: sqlite3.Connection) -> None:
    run = record(1, EVERYBODY, EVERYBODY, issued_at=OLD, expires_at=NOW + 1, sent=False)
    write_group(connection, [run], TopicNumbers(), 0)
    prune(connection, {0: Excess(1, 0, 0)}, NOW, LATER, 2)
    for table in ("items", "runs", "unsent"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_each_set_bears_its_share_of_what_the_whole_store_has_too_much() -> None:
    total = Amount(100, 100, 1_000)
    assert excess_of(Amount(75, 75, 750), total, Bounds(), 100, NOW) == Excess(75 - NONE, 75, 0)
    assert excess_of(Amount(25, 25, 250), total, Bounds(20, 300, 5), 100, NOW) == Excess(5, 25, NOW - 5)
    assert excess_of(Amount(25, 25, 250), total, Bounds(bytes=100), 0, NOW).bytes == 150
    assert not excess_of(Amount(25, 25, 250), total, Bounds(), -5, NOW).is_any
