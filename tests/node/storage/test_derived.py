import sqlite3

import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import DueRecord, Record
from pushmesh_node.storage.derived import missing_rows, write_missing
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import UnixMs
from support.records import ALICE, BOB, EVERYBODY, NOW, id_of, record

SINGLE = record(1, (ALICE, BOB), width=3)
RUN = record(2, EVERYBODY, (ALICE,), (BOB,), collapsing=(False, True, True))
DUE = record(5, EVERYBODY, (ALICE,), due_ats=(UnixMs(NOW + 1), UnixMs(NOW + 2)))
TABLES = ("slots", "ids", "targets", "runs", "collapsing", "topics")


@pytest.fixture
def full(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The second leaf of the scheduled run has come: it stands again under number 7."""
    shown = DueRecord(7, 6, UnixMs(NOW + 2), (ALICE,), b"shown")
    write_group(connection, [SINGLE, RUN, DUE, shown], TopicNumbers(), 0)
    return connection


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


COPY = (replace(record(7, (ALICE,), due_ats=(UnixMs(NOW + 2),)), ids=(id_of(6),)), 6)


@pytest.mark.parametrize(("item", "origin"), [(SINGLE, None), (RUN, None), (DUE, None), COPY])
def test_a_whole_item_lacks_nothing(full: sqlite3.Connection, item: Record, origin: int | None) -> None:
    assert missing_rows(full, item, origin) == {}


@pytest.mark.parametrize("table", TABLES)
def test_what_is_lost_of_one_table_is_found_and_made_again(full: sqlite3.Connection, table: str) -> None:
    before = contents(full)
    full.execute(f"DELETE FROM {table}")
    items = ((SINGLE, None), (RUN, None), (DUE, None), COPY)
    assert {name for item, origin in items for name in missing_rows(full, item, origin, 1)} == {table}
    for item, origin in items:
        write_missing(full, missing_rows(full, item, origin, 1))
    assert contents(full) == before


def test_what_differs_is_made_again_too(full: sqlite3.Connection) -> None:
    before = contents(full)
    full.execute("UPDATE slots SET id = zeroblob(32) WHERE first_commit = 1")
    full.execute("UPDATE runs SET mask = NULL WHERE first_commit = 2")
    full.execute("UPDATE ids SET commit_no = 99 WHERE commit_no = 1")
    for item in (SINGLE, RUN):
        write_missing(full, missing_rows(full, item, None))
    assert contents(full) == before


def test_an_id_that_an_earlier_item_holds_is_not_missing(full: sqlite3.Connection) -> None:
    again = replace(record(8), ids=(id_of(1),))
    write_group(full, [again], TopicNumbers(), 7)
    assert "ids" not in missing_rows(full, again, None)
    full.execute("DELETE FROM items WHERE first_commit = 1")
    assert [row[2] for row in missing_rows(full, again, None)["ids"]] == [8]


def test_an_envelope_with_a_due_time_that_was_shown_at_once_has_its_recipients(full: sqlite3.Connection) -> None:
    shown = record(9, (ALICE,))
    write_group(full, [shown], TopicNumbers(), 8)
    late = replace(shown, due_ats=(UnixMs(NOW - 5),))
    assert missing_rows(full, late, None) == {}
    full.execute("DELETE FROM targets WHERE commit_no = 9")
    assert missing_rows(full, late, None) == {"targets": [(0, ALICE, 9)]}
