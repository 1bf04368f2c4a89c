import sqlite3

import pytest

from pushmesh_node.engine.records import CursorRecord, SentMark, VoidMark
from pushmesh_node.storage.sums import (
    CURSORS,
    ITEMS,
    SUMMED,
    Damaged,
    as_found,
    checked,
    first,
    is_intact,
    prepare_sums,
    sum_of,
    with_sum,
)
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_node.storage.walking import POINTING
from pushmesh_protocol.types import UnixMs
from support.records import ALICE, EVERYBODY, NOW, record

ROW = (1, "two", b"three", None)


def test_each_table_with_a_sum_lists_its_columns_and_key_as_the_file_has_them(connection: sqlite3.Connection) -> None:
    for table in SUMMED:
        columns = [
            (name, key)
            for _no, name, _type, _null, _default, key in connection.execute(f"PRAGMA table_info({table.name})")
        ]
        assert {name for name, _key in columns} == {*table.columns, "sum"}, table.name
        assert [name for name, key in sorted(columns, key=lambda one: one[1]) if key] == list(table.key), table.name


def test_no_table_is_without_a_sum_but_those_that_are_made_again_from_items(connection: sqlite3.Connection) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables - {table.name for table in SUMMED} == {table.name for table in POINTING} == {"ids", "targets"}


def test_every_row_that_is_written_is_intact(connection: sqlite3.Connection) -> None:
    run = record(3, EVERYBODY, (ALICE,), due_ats=(UnixMs(NOW + 1), None), sent=False)
    cursor = CursorRecord(ALICE, "phone", 1, UnixMs(NOW))
    write_group(connection, [record(1), record(2), run, VoidMark(1), cursor], TopicNumbers(), 0)
    write_group(connection, [record(5), SentMark(3)], TopicNumbers(), 4)
    for table in SUMMED:
        rows = connection.execute(table.select).fetchall()
        assert len(checked(table, rows)) == len(rows)
    assert len(connection.execute(ITEMS.select).fetchall()) == 4


@pytest.mark.parametrize(
    "other",
    [
        (2, "two", b"three", None),
        (1, "twp", b"three", None),
        (1, "two", b"thre", None),
        (1, "two", b"three", 0),
        ("1", "two", b"three", None),
    ],
)
def test_a_row_with_any_other_value_or_type_is_damaged(other: tuple[object, ...]) -> None:
    assert is_intact(with_sum(ROW))
    assert not is_intact((*other, sum_of(ROW)))
    with pytest.raises(Damaged, match="a row of cursors is damaged") as caught:
        checked(CURSORS, [with_sum(ROW), (*other, sum_of(ROW))])
    assert caught.value.row[:-1] == other


@pytest.mark.parametrize("odd", [None, b"sum", "sum", 1.5])
def test_a_sum_of_another_type_fits_nothing(odd: object) -> None:
    assert not is_intact((*ROW, odd))


def test_a_text_that_is_none_any_more_is_read_and_found_damaged() -> None:
    connection = sqlite3.connect(":memory:")
    prepare_sums(connection)
    row = connection.execute("SELECT 1, CAST(x'74ff' AS TEXT), row_sum(1, 't')").fetchone()
    assert not is_intact(row)
    with pytest.raises(Damaged):
        first(CURSORS, [row])
    assert as_found(row)[:2] == (1, b"t\xff")
    assert connection.execute("SELECT row_sum(1, 't')").fetchone() == (sum_of((1, "t")),)
    assert first(CURSORS, []) is None
    connection.close()
