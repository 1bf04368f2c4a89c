import sqlite3

import pytest

from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.promises import Promises
from pushmesh_node.storage.quarantine import missing_ids, read_quarantine, set_aside
from pushmesh_node.storage.sums import CURSORS, ITEMS, LATE_RECEIPTS, META, RECEIPTS, Damaged, Table, sum_of
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import NOW, id_of, record


def test_a_row_that_the_file_has_whole_stays(connection: sqlite3.Connection) -> None:
    write_group(connection, [record(1)], TopicNumbers(), 0)
    row = connection.execute(ITEMS.select).fetchone()
    assert set_aside(connection, Damaged(ITEMS, (*row[:-1], row[-1] ^ 1)), NOW) is None
    assert not read_quarantine(connection, 9)
    assert not missing_ids(connection, 9)


def test_a_row_that_is_not_where_its_key_belongs_means_a_damaged_file(connection: sqlite3.Connection) -> None:
    values = (b"nobody", "phone", 1, 2)
    with pytest.raises(StoreDamaged, match="a row of cursors does not stand where its key belongs"):
        set_aside(connection, Damaged(CURSORS, (*values, sum_of(values) ^ 1)), NOW)


def test_a_value_that_stood_in_an_index_too_is_no_hindrance(connection: sqlite3.Connection) -> None:
    """The index has what was written, the row what became of it: SQLite refuses to remove such a row as it is."""
    write_group(connection, [record(n) for n in range(1, 50)], TopicNumbers(), 0)
    connection.execute("PRAGMA writable_schema = ON")
    change = "UPDATE sqlite_schema SET sql = replace(sql, 'expires_at', 'issued_at') WHERE name = 'items_by_end'"
    connection.execute(change)
    connection.execute("PRAGMA writable_schema = RESET")
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        connection.execute("DELETE FROM items WHERE first_commit = 7")
    row = connection.execute(f"{ITEMS.select} WHERE first_commit = 7").fetchone()
    connection.execute("UPDATE items SET sum = 1 WHERE first_commit = 7")
    aside = set_aside(connection, Damaged(ITEMS, (*row[:-1], 1)), NOW)
    assert aside is not None and aside.ids == (id_of(7),)


def test_a_damaged_row_of_the_quarantine_itself_is_kept_as_it_is_under_another_number(
    connection: sqlite3.Connection,
) -> None:
    write_group(connection, [record(1), record(2)], TopicNumbers(), 0)
    for number in (1, 2):
        connection.execute(f"UPDATE items SET kind = 6 WHERE first_commit = {number}")
        row = connection.execute(f"{ITEMS.select} WHERE first_commit = {number}").fetchone()
        assert set_aside(connection, Damaged(ITEMS, row), NOW) is not None
    connection.execute("UPDATE quarantine SET ids = x'c1' WHERE no = 2")
    with pytest.raises(Damaged) as met:
        read_quarantine(connection, 9)
    assert set_aside(connection, met.value, NOW) is not None
    assert [(aside.no, aside.table, list(aside.ids)) for aside in read_quarantine(connection, 9)] == [
        (3, "quarantine", []),
        (1, "items", [id_of(1)]),
    ]


@pytest.mark.parametrize("table", [RECEIPTS, LATE_RECEIPTS, META])
def test_what_may_have_told_of_a_promise_leaves_one_behind(connection: sqlite3.Connection, table: Table) -> None:
    connection.execute(f"{RECEIPTS.insert} VALUES (4, 1, 1, 1, 1, x'', 0)")
    connection.execute(f"{LATE_RECEIPTS.insert} VALUES (1, 4, 0)")
    connection.execute(f"{META.insert} VALUES ('all_kept_until', 1, 0)")
    row = connection.execute(f"{table.select} WHERE sum = 0").fetchone()
    assert set_aside(connection, Damaged(table, row), NOW, keep_ms=50) is not None
    assert Promises(connection).all_kept_until == NOW + 50


def test_other_rows_leave_none(connection: sqlite3.Connection) -> None:
    connection.execute(f"{CURSORS.insert} VALUES (x'0a', 'phone', 1, 2, 0)")
    row = connection.execute(CURSORS.select).fetchone()
    assert set_aside(connection, Damaged(CURSORS, row), NOW, keep_ms=50) is not None
    assert Promises(connection).all_kept_until == 0
