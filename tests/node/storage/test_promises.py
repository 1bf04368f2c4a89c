"""What receipts promise outlives the receipts."""

import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.storage.promises import (
    NUMBERS_AHEAD,
    Promises,
    given_number,
    note_lost_link,
    note_lost_row,
    note_lost_seals,
)
from pushmesh_node.storage.sums import META, RECEIPTS, Damaged, prepare_sums
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import NOW, record
from support.sealing import KEEP_MS, a_record, a_wish, published, sealing_store

LONG_MS = 50_000


@pytest.fixture
async def sealed(path: Path) -> sqlite3.Connection:
    """1, 5 and 6 came from peers, 2 to 4 from a publisher, and somebody asked about 6."""
    store = await sealing_store(path)
    await store.commit([a_record(1), published(2, 3), a_record(5), a_record(6)])
    await store.commit([a_wish(6)])
    await store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    prepare_sums(connection)
    return connection


def test_a_seal_keeps_what_it_covers_as_long_as_it_says(sealed: sqlite3.Connection) -> None:
    promises = Promises(sealed)
    asked = {first: promises.kept_until(first, end) for first, end in ((1, 2), (2, 5), (4, 5), (5, 6), (6, 7))}
    assert asked == {1: 0, 2: NOW + KEEP_MS, 4: NOW + KEEP_MS, 5: 0, 6: NOW + KEEP_MS}
    assert given_number(sealed) == promises.all_kept_until == 0


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ("UPDATE receipts SET kept_until = 1 WHERE number = 1", 2),
        ("UPDATE receipts SET last_commit = 1 WHERE number = 1", 2),
        ("UPDATE receipts SET kept_until = 1 WHERE number = 2", 6),
        ("UPDATE late_receipts SET number = 9", 6),
    ],
)
def test_nothing_is_concluded_from_a_damaged_row(sealed: sqlite3.Connection, change: str, asked: int) -> None:
    sealed.execute(change)
    with pytest.raises(Damaged):
        Promises(sealed).kept_until(asked, asked + 1)


@pytest.mark.parametrize(
    ("change", "until"),
    [
        ("ends_at = 1", NOW + KEEP_MS),
        ("kept_until = kept_until + (1 << 40)", NOW + KEEP_MS),
        ("kept_until = 1", NOW + 10),
        ("data = zeroblob(9)", NOW + 10),
        ("kept_until = 'text'", NOW + KEEP_MS),
        ("data = 7", NOW + 10),
    ],
    ids=["elsewhere", "raised", "lowered", "unreadable", "no number", "no bytes"],
)
def test_a_lost_row_keeps_everything_as_long_as_it_can_have_promised(
    sealed: sqlite3.Connection, change: str, until: int
) -> None:
    sealed.execute(f"UPDATE receipts SET {change} WHERE number = 2")
    row = sealed.execute(f"{RECEIPTS.select} WHERE number = 2").fetchone()
    note_lost_row(sealed, row, NOW, 10)
    assert (given_number(sealed), Promises(sealed).all_kept_until) == (2, until)
    assert Promises(sealed).kept_until(5, 6) == until


def test_what_was_noted_only_grows(sealed: sqlite3.Connection) -> None:
    note_lost_link(sealed, NOW, LONG_MS)
    assert (given_number(sealed), Promises(sealed).all_kept_until) == (0, NOW + LONG_MS)
    note_lost_seals(sealed, NOW, 10)
    assert (given_number(sealed), Promises(sealed).all_kept_until) == (6 + NUMBERS_AHEAD, NOW + LONG_MS)
    note_lost_row(sealed, (3, None, 0, 1, 1, b"", 0), NOW, 10)
    assert (given_number(sealed), Promises(sealed).all_kept_until) == (6 + NUMBERS_AHEAD, NOW + LONG_MS)


def test_a_number_that_no_seal_can_have_had_is_no_bound(sealed: sqlite3.Connection) -> None:
    note_lost_row(sealed, (2**62, None, 0, 1, 1, b"", 0), NOW, 10)
    assert given_number(sealed) == 6 + NUMBERS_AHEAD


def test_a_damaged_note_is_told_and_written_over_by_the_next(connection: sqlite3.Connection) -> None:
    write_group(connection, [record(1)], TopicNumbers(), 0)
    note_lost_link(connection, NOW, LONG_MS)
    connection.execute("UPDATE meta SET value = 5 WHERE name = 'all_kept_until'")
    with pytest.raises(Damaged):
        Promises(connection)
    note_lost_link(connection, NOW, 10)
    assert Promises(connection).all_kept_until == NOW + 10
    assert len(connection.execute(META.select).fetchall()) == 3
