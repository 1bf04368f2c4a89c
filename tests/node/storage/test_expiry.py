import sqlite3

from pushmesh_node.engine.records import DecisionRecord, PrivateRecord, TokenRecord, VoidMark
from pushmesh_node.storage import expiry
from pushmesh_node.storage.expiry import Sweep, expire
from pushmesh_node.storage.files import read_meta
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import UnixMs
from support.plans import plans, tables_walked
from support.records import ALICE, BOB, EVERYBODY, HASHES, NOW, record

TABLES = ("items", "runs", "unsent", "slots", "ids", "targets", "voids", "decisions")


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def fill(connection: sqlite3.Connection, expires_at: int, first: int) -> None:
    """Ten single records for two wallets and a run of five, all with every kind of row that points to them."""
    records = [record(first + n, (ALICE, BOB), expires_at=expires_at, sent=False) for n in range(10)]
    run = record(first + 10, *[(ALICE,)] * 4, EVERYBODY, expires_at=expires_at, sent=False)
    marks = [VoidMark(first), VoidMark(first + 12)]
    decisions = [DecisionRecord(ALICE, first + n, "drop", "muted", "r", UnixMs(NOW), *HASHES) for n in range(15)]
    write_group(connection, [*records, run, *marks, *decisions], TopicNumbers(), first - 1)


FULL = {"items": 11, "runs": 1, "unsent": 11, "slots": 11, "ids": 15, "targets": 24, "voids": 2, "decisions": 15}


def test_every_row_of_an_expired_item_goes_and_no_other(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    fill(connection, NOW + 1, 16)
    assert expire(connection, NOW, 100, Sweep()) == 11
    assert counts(connection) == FULL


def test_small_steps_reach_the_same_end(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    fill(connection, NOW + 1, 16)
    sweep = Sweep()
    removed = [expire(connection, NOW, 2, sweep) for _step in range(60)]
    assert removed == [2, 2, 2, 2, 2, 1] + [0] * 54
    assert counts(connection) == FULL


def test_a_step_removes_no_more_than_its_limit_of_any_table(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    before = counts(connection)
    expire(connection, NOW, 3, Sweep())
    after = counts(connection)
    assert all(before[table] - after[table] <= 3 for table in TABLES)
    assert before["items"] - after["items"] == 3


def test_the_last_commit_number_outlives_its_item(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    expire(connection, NOW, 100, Sweep())
    assert (read_meta(connection).items, read_meta(connection).last_commit) == (0, 15)


def test_tokens_and_private_records_go_in_steps_too_and_are_found_by_their_end(connection: sqlite3.Connection) -> None:
    ends = [NOW, NOW - 2, NOW + 1, NOW - 1]
    tokens = [
        TokenRecord(bytes([n]), ALICE, b"g", (1,), None, UnixMs(end), UnixMs(1), True) for n, end in enumerate(ends)
    ]
    private = [PrivateRecord(ALICE, n, UnixMs(1), UnixMs(end), b"") for n, end in enumerate(ends)]
    write_group(connection, [*tokens, *private], TopicNumbers(), 0)
    left = [NOW + 1, NOW]
    for table in ("tokens", "private"):
        assert count_of(connection, table) == 4
    expire(connection, NOW, 2, Sweep())
    for table in ("tokens", "private"):
        rows = connection.execute(f"SELECT expires_at FROM {table} ORDER BY expires_at DESC").fetchall()
        assert [end for (end,) in rows] == left
    assert tables_walked(plans(connection, lambda: delete_keyed(connection))) == []


def delete_keyed(connection: sqlite3.Connection) -> None:
    for delete in expiry._DELETE_KEYED:
        connection.execute(delete, (NOW, 2))


def count_of(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)
