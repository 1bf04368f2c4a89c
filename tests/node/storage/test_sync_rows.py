import sqlite3

import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import DueRecord
from pushmesh_node.storage.sync_rows import START, HeadRow, RecordRow, frames, heads, held, of_author, records
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import UnixMs
from support.records import NEWS, NOW, id_of, record

EVERYBODY = None
SINGLE = record(1, EVERYBODY, data=b"one")
RUN = replace(record(10, EVERYBODY, EVERYBODY, EVERYBODY), ends=(NOW + 1, NOW + 2, NOW + 3))
ALIKE = record(20, EVERYBODY, EVERYBODY, epoch=9)


@pytest.fixture
def filled(connection: sqlite3.Connection) -> sqlite3.Connection:
    write_group(connection, [SINGLE, RUN, ALIKE], TopicNumbers(), 0)
    shown = DueRecord(30, 1, UnixMs(NOW), None, b"one again")
    write_group(connection, [shown], TopicNumbers(), 21)
    return connection


def test_every_record_is_told_once_with_the_end_of_each_envelope_page_by_page(filled: sqlite3.Connection) -> None:
    found: list[RecordRow] = []
    after = START
    while True:
        rows, position = records(filled, after, 2)
        found += rows
        if position is None:
            break
        after = position
    assert {row.first_commit: row for row in found} == {
        1: RecordRow(1, 5, NEWS, (id_of(1),), (SINGLE.expires_at,)),
        10: RecordRow(10, 5, NEWS, (id_of(10), id_of(11), id_of(12)), (NOW + 1, NOW + 2, NOW + 3)),
        20: RecordRow(20, 5, NEWS, (id_of(20), id_of(21)), (ALIKE.expires_at,) * 2),
    }
    assert len(found) == 3


def test_what_an_earlier_version_wrote_has_no_ends_but_in_its_frame(filled: sqlite3.Connection) -> None:
    filled.execute("UPDATE runs SET ends = NULL, sum = row_sum(first_commit, ids, mask, NULL)")
    rows, _ = records(filled, START, 100)
    assert {row.first_commit: row.ends is None for row in rows} == {1: False, 10: True, 20: True}


def test_ids_are_held_where_their_hour_and_their_item_say_so(filled: sqlite3.Connection) -> None:
    asked = [(NOW, id_of(1)), (NOW, id_of(12)), (NOW, id_of(99)), (NOW - 10**8, id_of(11)), (2**62, id_of(10))]
    assert held(filled, asked) == {id_of(1): 1, id_of(12): 12}
    filled.execute("DELETE FROM items WHERE first_commit = 10")
    assert held(filled, asked) == {id_of(1): 1}


def test_heads_and_frames_are_of_records_and_the_gone_are_left_out(filled: sqlite3.Connection) -> None:
    found = heads(filled, [1, 11, 12, 99])
    assert found[1] == HeadRow(1, 1, NOW, NEWS, 3)
    assert (found[11], found[11].first_commit, found[11].count) == (found[12], 10, 3)
    assert set(found) == {1, 11, 12}
    assert frames(filled, [1, 10, 99]) == {1: (1, b"one"), 10: (3, RUN.data)}


def test_an_authors_records_are_found_from_an_epoch_on(filled: sqlite3.Connection) -> None:
    author = SINGLE.author
    assert of_author(filled, author, 0, 0, 10) == [1, 10, 20]
    assert of_author(filled, author, 8, 0, 10) == [20]
    assert of_author(filled, author, 0, 1, 1) == [10]
    assert of_author(filled, b"stranger", 0, 0, 10) == []
