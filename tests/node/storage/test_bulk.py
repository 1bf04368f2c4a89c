import sqlite3

import pytest

from pushmesh_node.storage import bulk


@pytest.fixture
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a PRIMARY KEY, b)")
    return connection


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 200])
def test_every_row_is_inserted_in_its_order(table: sqlite3.Connection, count: int) -> None:
    rows = [(n, f"row {n}") for n in range(count)]
    bulk.insert(table, "INSERT INTO t", rows)
    assert table.execute("SELECT a, b FROM t ORDER BY rowid").fetchall() == rows


def test_of_two_rows_with_one_key_the_later_replaces_the_earlier(table: sqlite3.Connection) -> None:
    bulk.insert(table, "INSERT OR REPLACE INTO t", [(1, "old"), (2, "x"), (1, "new")])
    assert table.execute("SELECT b FROM t WHERE a = 1").fetchall() == [("new",)]


def test_pieces_are_whole_ones_and_then_falling_powers_of_two() -> None:
    assert [len(piece) for piece in bulk.pieces(range(64 * 2 + 13))] == [64, 64, 8, 4, 1]
    assert [list(piece) for piece in bulk.pieces(range(6), most=4)] == [[0, 1, 2, 3], [4, 5]]
    assert list(bulk.pieces([])) == []


def test_placeholders_are_one_group() -> None:
    assert bulk.placeholders(3) == "(?,?,?)"
