import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from pushmesh_node.app.remaking import remaking, sharding
from pushmesh_node.storage import Store, StoreError
from pushmesh_node.storage.copies import verify
from pushmesh_node.storage.files import SKIPPED_NUMBERS, mark_of
from pushmesh_node.storage.migrations import APPLICATION_ID, MIGRATIONS, check_header, migrate
from pushmesh_node.storage.sets import CONTROL_SET, one_shard
from pushmesh_node.storage.sums import SUMMED, is_intact
from pushmesh_node.storage.tally import Amount
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, Scope
from pushmesh_protocol.timestamps import timestamp_of
from support.bodies import a_network
from support.damaged_files import overwrite, root_of
from support.old_schemas import INCARNATION, OLD, make_old_store
from support.records import NOW
from support.wallets import a_session, a_signed_note, a_wallet

NETWORK = a_network()

# The columns of schema 1, written down by hand. Released steps never change; this test is what says so.
SCHEMA_1 = {
    "cursors": ["account", "device", "commit_no", "at"],
    "decisions": [
        *("account", "commit_no", "verdict", "reason", "rule", "decided_at"),
        *("policy_hash", "preferences_hash"),
    ],
    "ids": ["bucket", "id", "commit_no"],
    "items": [
        *("first_commit", "count", "kind", "topic_no", "broadcast", "issued_at", "expires_at", "origin"),
        "data",
    ],
    "meta": ["name", "value"],
    "peer_cursors": ["node_id", "incarnation", "commit_no"],
    "private": ["account", "kind", "issued_at", "expires_at", "data"],
    "runs": ["first_commit", "ids", "mask"],
    "scheduled": ["due_at", "commit_no"],
    "slots": ["epoch", "author", "wide", "first_seq", "first_commit", "end_seq", "id"],
    "targets": ["account", "commit_no"],
    "tokens": ["digest", "account", "grant_id", "expires_at", "first_seen", "revoked"],
    "topics": ["topic_no", "owner", "name"],
    "unsent": ["first_commit"],
    "voids": ["commit_no"],
    "vouchers": ["epoch", "account", "key", "stream", "sequence", "count", "units", "data", "equivocation"],
}
INDEXES_1 = {"items_by_end", "items_by_origin", "items_by_topic", "items_of_state"}


@pytest.fixture
def schema_1(path: Path) -> Path:
    """A store as the first schema made it, with an item and nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('incarnation', ?), ('last_commit', 0)", (b"i" * 16,))
    connection.execute("INSERT INTO items VALUES (7, 2, 1, 3, 0, 5, 6, NULL, x'aabb')")
    connection.execute("INSERT INTO topics VALUES (3, x'00', 'news')")
    connection.execute("INSERT INTO unsent VALUES (7)")
    connection.execute("INSERT INTO peer_cursors VALUES (x'01', x'02', 9)")
    connection.execute("INSERT INTO targets VALUES (x'0a', 50000)")
    connection.execute("INSERT INTO slots VALUES (3, x'0b', 0, 5, 7, 6, x'0c')")
    connection.execute(f"PRAGMA application_id = {0x70757368}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    return path


def test_the_oldest_schema_is_frozen(schema_1: Path) -> None:
    connection = sqlite3.connect(schema_1)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")]
    columns = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables}
    indexes = {n for (n,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql NOT NULL")}
    connection.close()
    assert columns == SCHEMA_1
    assert indexes == INDEXES_1


async def test_the_oldest_store_opens_today_with_what_it_held(schema_1: Path) -> None:
    store = await Store.open(schema_1, new_incarnation=b"x" * 16, shard_of=lambda topic: len(topic.name))
    assert (store.incarnation, store.last_commit) == (b"i" * 16, 8 + SKIPPED_NUMBERS)
    assert store.sets == {CONTROL_SET: Amount(1, 2, 2)}
    assert [(item.first_commit, item.data) for item in await store.log(0, 100)] == [(7, b"\xaa\xbb")]
    await store.close()
    connection = sqlite3.connect(schema_1)
    assert connection.execute("SELECT commit_no FROM unsent").fetchall() == [(7,), (8,)]
    assert connection.execute("SELECT topic_no, ends_at FROM topics").fetchall() == [(3, 6)]
    assert connection.execute("SELECT stretch, account, commit_no FROM targets").fetchall() == [(3, b"\x0a", 50_000)]
    for table in SUMMED:
        assert all(is_intact(row) for row in connection.execute(table.select)), table.name
    connection.close()


def test_a_new_file_gets_the_newest_schema_and_the_name_of_a_store(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, check_header(connection, path), b"n" * 16, one_shard)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert check_header(connection, path) == len(MIGRATIONS)
    connection.close()


@pytest.mark.parametrize(
    ("made_by", "sentence"),
    [
        ("CREATE TABLE diary (day)", "is not a pushmesh store"),
        ("PRAGMA user_version = 3", "is not a pushmesh store"),
        ("PRAGMA application_id = 5", "is not a pushmesh store"),
        (
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99",
            "a newer pushmesh .schema 99",
        ),
    ],
)
def test_another_programs_or_a_newer_file_is_refused_untouched(path: Path, made_by: str, sentence: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(made_by)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=sentence):
        check_header(connection, path)
    connection.close()
    assert path.read_bytes() == before


def test_a_step_that_breaks_leaves_the_file_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*MIGRATIONS, ("CREATE TABLE extra (a)", "CREATE NONSENSE"))
    monkeypatch.setattr("pushmesh_node.storage.migrations.MIGRATIONS", broken)
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        migrate(connection, 0, b"n" * 16, one_shard)
    connection.close()

    again = sqlite3.connect(path, isolation_level=None)
    assert check_header(again, path) == len(MIGRATIONS)
    assert again.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'").fetchone() == (0,)
    again.close()


SEVEN: dict[str, list[tuple[object, ...]]] = {
    "unsent": [(1,), (9,)],
    "floors": [(3, 17)],
    "quarantine": [(5, NOW, "cursors", "checksum", b"\x90", b"\x90")],
    "receipts": [(1, 1, 4, NOW + 1, NOW + 2, b"seal"), (2, None, 0, NOW + 1, NOW + 2, b"late")],
    "late_receipts": [(9, 2)],
    "handed": [(b"i" * 32, b"a", 1, b"o", 4, 1, 2, 3, 0, None), (b"i" * 32, b"b", 1, b"o", 5, 0, 2, 3, 1, b"signed")],
    "reached": [(1, b"\x04", b"n", 4, 7, 2, 3, None)],
}
"""Rows of the tables that had no sums before step 8."""


def make_seven(path: Path, envelopes: Sequence[Envelope] = ()) -> None:
    connection = make_old_store(path, 7, envelopes)
    for table, rows in SEVEN.items():
        for row in rows:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.close()


async def test_what_had_no_sums_gets_them_and_is_what_it_was(path: Path) -> None:
    make_seven(path)
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.close()
    connection = sqlite3.connect(path)
    for table in SUMMED:
        found = connection.execute(table.select).fetchall()
        assert [row[:-1] for row in found] == SEVEN.get(table.name, [row[:-1] for row in found])
        assert all(is_intact(row) for row in found), table.name
    connection.close()


@pytest.fixture
def grants() -> list[Envelope]:
    """One for log-ins alone, one for messages, which matters longer than itself; and a message."""
    scopes: list[tuple[int, ...]] = [(Scope.LOGIN,), (Scope.NOTIFICATION,)]
    made = [a_session(NETWORK, a_wallet(number), NOW, each).grant for number, each in enumerate(scopes, 1)]
    return [*made, a_signed_note(NETWORK, a_wallet(3), NOW, 1)]


async def opened(path: Path) -> Store:
    return await Store.open(path, new_incarnation=bytes(16), shard_of=sharding(NETWORK), remake=remaking(NETWORK))


async def held(store: Store, now_ms: int) -> list[int]:
    await store.expire(now_ms, 100)
    return [item.first_commit for item in await store.log(0, 1 << 20)]


@pytest.mark.parametrize("schema", OLD)
async def test_a_grant_of_any_schema_goes_when_nothing_needs_it_any_more_and_not_before(
    path: Path, schema: int, grants: list[Envelope]
) -> None:
    ends = [timestamp_of(NETWORK, each) for each in grants]
    make_old_store(path, schema, grants, ends).close()
    assert ends[0] == grants[0].body.expires_at < ends[1] - 1
    assert ends[1] == grants[1].body.expires_at + NETWORK.lives_ms[Kind.NOTIFICATION]
    store = await opened(path)
    assert await held(store, ends[2]) == [1, 2]
    assert await held(store, ends[0] - 1) == [1, 2]
    assert await held(store, grants[1].body.expires_at) == [2]
    assert await held(store, ends[1] - 1) == [2]
    assert await held(store, ends[1]) == []
    await store.close()


@pytest.mark.parametrize("schema", OLD)
async def test_every_old_store_is_sound_once_it_was_opened(path: Path, schema: int, grants: list[Envelope]) -> None:
    make_old_store(path, schema, grants, [timestamp_of(NETWORK, each) for each in grants]).close()
    store = await opened(path)
    assert (store.incarnation, store.mending.quarantined, store.salvaged) == (INCARNATION, 0, None)
    while (await store.scrub(64)).position is not None:  # the maker leaves out what can be made again
        pass
    await store.close()
    found = verify(path, remaking(NETWORK), lambda _done, _total: None)
    assert (found.is_sound, found.records, dict(found.damaged)) == (True, 3, {})


async def test_an_upgrade_makes_no_damaged_grant_whole(path: Path, grants: list[Envelope]) -> None:
    connection = make_old_store(path, 7, grants)
    connection.execute("UPDATE items SET expires_at = expires_at - 1 WHERE first_commit = 2")
    connection.close()
    store = await opened(path)
    assert [item.first_commit for item in await store.log(0, 1 << 20)] == [1, 3]
    assert [aside.table for aside in await store.quarantine(9)] == ["items"]
    await store.close()


async def test_a_damaged_file_of_the_schema_before_is_salvaged(path: Path, grants: list[Envelope]) -> None:
    make_seven(path, grants)
    overwrite(path, root_of(path, "decisions"))
    mark_of(path).touch()
    store = await opened(path)
    assert store.salvaged is not None and store.salvaged.records == 3
    assert store.floors == {3: 17}
    await store.close()
    connection = sqlite3.connect(path)
    for table in SUMMED:
        found = connection.execute(table.select).fetchall()
        assert [row[:-1] for row in found] == SEVEN.get(table.name, [row[:-1] for row in found])
        assert all(is_intact(row) for row in found)
    connection.close()
