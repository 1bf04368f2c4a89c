import sqlite3

from pushmesh_node.engine.records import (
    CursorRecord,
    DecisionRecord,
    LateMark,
    PrivateRecord,
    TokenRecord,
    VoidMark,
    VoucherRecord,
)
from pushmesh_node.storage import expiry
from pushmesh_node.storage.expiry import CURSOR_UNUSED_MS, Sweep, expire
from pushmesh_node.storage.files import read_meta
from pushmesh_node.storage.topics import ENDS_STEP_MS, TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import Epoch, UnixMs
from support.plans import plans, tables_walked
from support.records import ALICE, BOB, EVERYBODY, HASHES, NEWS, NOW, record

TABLES = ("items", "runs", "unsent", "slots", "ids", "targets", "voids", "late", "collapsing", "decisions")


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def fill(connection: sqlite3.Connection, expires_at: int, first: int) -> None:
    """Ten single records for two wallets and a run of five, all with every kind of row that points to them."""
    records = [record(first + n, (ALICE, BOB), expires_at=expires_at, sent=False) for n in range(10)]
    keyed = (True, False, True, False, False)
    run = record(first + 10, *[(ALICE,)] * 4, EVERYBODY, expires_at=expires_at, sent=False, collapsing=keyed)
    marks: list[VoidMark | LateMark] = [VoidMark(first), VoidMark(first + 12), LateMark(first), LateMark(first + 11)]
    decisions = [DecisionRecord(ALICE, first + n, "drop", "muted", "r", UnixMs(NOW), *HASHES) for n in range(15)]
    write_group(connection, [*records, run, *marks, *decisions], TopicNumbers(), first - 1)


FULL = {
    "items": 11,
    "runs": 1,
    "unsent": 15,
    "slots": 11,
    "ids": 15,
    "targets": 24,
    "voids": 2,
    "late": 2,
    "collapsing": 2,
    "decisions": 15,
}


def test_every_row_of_an_expired_item_goes_and_no_other(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    fill(connection, NOW + 1, 16)
    assert expire(connection, NOW, 100, Sweep()).items == 11
    assert counts(connection) == FULL


def test_small_steps_reach_the_same_end(connection: sqlite3.Connection) -> None:
    fill(connection, NOW, 1)
    fill(connection, NOW + 1, 16)
    sweep = Sweep()
    removed = [expire(connection, NOW, 2, sweep).items for _step in range(60)]
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
    assert (read_meta(connection).sets, read_meta(connection).last_commit) == ({}, 15)


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


def names(connection: sqlite3.Connection, column: str, table: str) -> list[object]:
    return [value for (value,) in connection.execute(f"SELECT {column} FROM {table} ORDER BY 1")]


def test_cursors_go_that_nobody_has_moved_for_long(connection: sqlite3.Connection) -> None:
    ages = {"fresh": 0, "old": CURSOR_UNUSED_MS - 1, "gone": CURSOR_UNUSED_MS}
    cursors = [CursorRecord(ALICE, device, 1, UnixMs(NOW - age)) for device, age in ages.items()]
    write_group(connection, cursors, TopicNumbers(), 0)
    assert expire(connection, NOW, 100, Sweep()).rows["cursors"] == 1
    assert names(connection, "device", "cursors") == ["fresh", "old"]


def test_vouchers_of_old_epochs_go_in_steps(connection: sqlite3.Connection) -> None:
    vouchers = [
        VoucherRecord(Epoch(epoch), who, b"k", b"s", 1, 1, 1, b"v", None) for epoch in (3, 4, 5) for who in (ALICE, BOB)
    ]
    write_group(connection, vouchers, TopicNumbers(), 0)
    expire(connection, NOW, 3, Sweep(), before_epoch=5)
    assert names(connection, "epoch", "vouchers") == [4, 5, 5]
    expire(connection, NOW, 3, Sweep(), before_epoch=5)
    assert names(connection, "epoch", "vouchers") == [5, 5]


def test_topics_go_after_their_last_item_and_never_before(connection: sqlite3.Connection) -> None:
    writes = [record(1, topic=NEWS, expires_at=NOW), record(2, topic=NEWS, expires_at=NOW + 9), record(3, kind=4)]
    write_group(connection, writes, TopicNumbers(), 0)
    (end,) = names(connection, "ends_at", "topics")
    assert isinstance(end, int)
    assert expire(connection, end - 1, 100, Sweep()).topic_nos == ()
    assert names(connection, "name", "topics") == ["news"]
    expired = expire(connection, end, 100, Sweep())
    assert (expired.topic_nos, names(connection, "name", "topics")) == ((1,), [])


def test_no_topic_goes_while_an_expired_item_may_have_its_number(connection: sqlite3.Connection) -> None:
    write_group(connection, [record(n, expires_at=NOW) for n in (1, 2, 3)], TopicNumbers(), 0)
    late = NOW + 10 * ENDS_STEP_MS
    sweep = Sweep()
    assert [expire(connection, late, 1, sweep).topic_nos for _step in range(4)] == [(), (), (), (1,)]


def test_a_step_that_finds_nothing_writes_nothing(connection: sqlite3.Connection) -> None:
    fill(connection, NOW + 1, 1)
    expire(connection, NOW, 100, Sweep())
    before = connection.total_changes
    expire(connection, NOW, 100, Sweep())
    assert connection.total_changes == before
