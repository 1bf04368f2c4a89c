import sqlite3

import pytest

from pushmesh_node.engine.records import SentMark
from pushmesh_node.storage.inbox import topic_messages
from pushmesh_node.storage.sets import CONTROL_SET
from pushmesh_node.storage.tally import Amount
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import Written, write_group
from support.records import EVERYBODY, GRANT, OFFERS, record


def rows(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def test_a_group_tells_what_was_new(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    size = len(b"frame 1")
    written = write_group(connection, [record(1), record(2), record(1)], topics, 0)
    assert written == Written({0: Amount(2, 2, 2 * size)}, 2)
    assert write_group(connection, [record(2), SentMark(1)], topics, 2) == Written({}, 2)
    written = write_group(connection, [record(9, EVERYBODY, EVERYBODY), record(5, kind=GRANT)], topics, 2)
    assert written == Written({0: Amount(1, 2, size), CONTROL_SET: Amount(1, 1, size)}, 10)
    assert write_group(connection, [record(5), record(7)], topics, 10) == Written({0: Amount(1, 1, size)}, 10)


def test_a_group_that_breaks_leaves_nothing_and_the_next_one_works(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    connection.execute("CREATE TEMP TRIGGER bad BEFORE INSERT ON ids BEGIN SELECT RAISE(ABORT, 'broken'); END")
    with pytest.raises(sqlite3.IntegrityError, match="broken"):
        write_group(connection, [record(1, topic=OFFERS)], topics, 0)
    assert not connection.in_transaction
    assert [rows(connection, table) for table in ("items", "slots", "topics")] == [0, 0, 0]

    connection.execute("DROP TRIGGER bad")
    assert write_group(connection, [record(1, topic=OFFERS)], topics, 0).last_commit == 1
    assert [rows(connection, table) for table in ("items", "slots", "topics")] == [1, 1, 1]


def test_a_topic_of_a_failed_group_is_made_again(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    connection.execute("CREATE TEMP TRIGGER bad BEFORE INSERT ON ids BEGIN SELECT RAISE(ABORT, 'broken'); END")
    with pytest.raises(sqlite3.IntegrityError):
        write_group(connection, [record(2, topic=OFFERS)], topics, 1)
    connection.execute("DROP TRIGGER bad")
    write_group(connection, [record(2)], topics, 1)
    write_group(connection, [record(3, topic=OFFERS)], topics, 2)
    assert [envelope.commit_no for envelope in topic_messages(connection, [OFFERS], 0, None, 10)] == [3]


def test_a_wrong_record_stores_nothing_of_its_group(connection: sqlite3.Connection) -> None:
    with pytest.raises(ValueError, match="cannot cover"):
        write_group(connection, [record(1), record(2, width=5_000)], TopicNumbers(), 0)
    assert rows(connection, "items") == 0
    assert not connection.in_transaction


def test_a_mixed_group_is_one_statement_a_table(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers()
    write_group(connection, [record(1)], topics, 0)
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    write_group(connection, [record(n, sent=n > 2) for n in range(2, 66)], topics, 1)
    assert [sql.split(" VALUES")[0].split(" (")[0] for sql in seen] == [
        "BEGIN IMMEDIATE",
        "INSERT INTO items",
        "INSERT OR IGNORE INTO slots",
        "INSERT OR IGNORE INTO ids",
        "INSERT INTO unsent",
        "COMMIT",
    ]
