import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from pushmesh_node.engine.records import CursorRecord, Record, Write
from pushmesh_node.storage.files import prepare_writer
from pushmesh_node.storage.settings import StoreSettings
from pushmesh_node.storage.singles import MAX_RECORDS, plain
from pushmesh_node.storage.tally import Amount
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import Written, write_group
from pushmesh_protocol.types import UnixMs
from support.records import ALICE, BOB, EVERYBODY, GRANT, HOUR_MS, NEWS, NOW, OFFERS, record

TABLES = ("items", "slots", "ids", "targets", "runs", "unsent", "scheduled", "topics", "voids")
CURSOR = CursorRecord(ALICE, "phone", 1, UnixMs(NOW))
"""Any write that is no record: it sends its group the general way."""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path, isolation_level=None)
    prepare_writer(connection, path, bytes(16), StoreSettings())
    yield connection
    connection.close()


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def any_record(random: Random, number: int) -> Record:
    return record(
        number,
        random.choice([EVERYBODY, [ALICE], [BOB], []]),
        kind=random.choice([5, 5, 5, GRANT, 6]),
        topic=random.choice([NEWS, OFFERS, None]),
        first_seq=random.randrange(40),  # so that some share a slot
        width=random.choice([1, 1, 1, 3]),
        issued_at=NOW + random.randrange(3) * HOUR_MS,
    )


@pytest.mark.parametrize("seed", range(8))
def test_one_statement_stores_what_the_general_way_stores(
    connection: sqlite3.Connection, other: sqlite3.Connection, seed: int
) -> None:
    random = Random(seed)
    topics, other_topics = TopicNumbers(), TopicNumbers()
    last = 0
    for _ in range(12):
        group = [any_record(random, last + 1 + step) for step in range(random.randrange(1, 9))]
        written = write_group(connection, group, topics, last)
        assert write_group(other, [*group, CURSOR], other_topics, last) == written
        last = written.last_commit
    assert contents(connection) == contents(other)
    assert len(contents(connection)["items"]) == last


def test_the_group_is_one_call_of_the_database(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    assert write_group(connection, [record(2), record(3, [ALICE])], topics, 1) == Written({0: Amount(2, 2, 14)}, 3)
    assert not connection.in_transaction
    assert {sql.split(" VALUES")[0] for sql in seen if not sql.startswith("--")} == {"INSERT INTO singles"}


def test_a_group_that_breaks_stores_nothing(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    before = contents(connection)
    connection.execute(
        "CREATE TEMP TRIGGER bad BEFORE INSERT ON ids WHEN new.commit_no = 3 BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="broken"):
        write_group(connection, [record(2), record(3), record(4)], topics, 1)
    assert not connection.in_transaction
    assert contents(connection) == before

    connection.execute("DROP TRIGGER bad")
    assert write_group(connection, [record(2), record(3)], topics, 1).last_commit == 3


def test_a_record_that_covers_too_much_is_refused_here_too(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    with pytest.raises(ValueError, match="cannot cover"):
        write_group(connection, [record(2), record(3, width=5_000)], topics, 1)
    assert len(contents(connection)["items"]) == 1


@pytest.mark.parametrize(
    "write",
    [
        record(7, EVERYBODY, EVERYBODY),
        record(7, [ALICE, BOB]),
        record(7, sent=False),
        record(7, due_ats=(UnixMs(NOW + 1),)),
        record(5),
        CURSOR,
    ],
    ids=["a run", "a list", "unsent", "scheduled", "an old number", "no record"],
)
def test_a_group_with_anything_else_in_it_goes_the_general_way(write: Write) -> None:
    assert list(plain([record(6), record(8)], 5)) == [record(6), record(8)]
    assert not plain([record(6), write, record(8)], 5)


def test_only_small_groups_go_this_way() -> None:
    assert len(plain([record(n) for n in range(1, MAX_RECORDS + 1)], 0)) == MAX_RECORDS
    assert not plain([record(n) for n in range(1, MAX_RECORDS + 2)], 0)


def test_a_topic_lasts_as_long_as_what_goes_this_way(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    late = NOW + 400 * 24 * HOUR_MS
    write_group(connection, [record(2, expires_at=late)], topics, 1)
    (ends_at,) = connection.execute("SELECT ends_at FROM topics").fetchone()
    assert ends_at >= late
