import sqlite3

import pytest

from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.quarantine import missing_ids, read_quarantine, set_aside
from pushmesh_node.storage.sums import CURSORS, ITEMS, Damaged, sum_of
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
