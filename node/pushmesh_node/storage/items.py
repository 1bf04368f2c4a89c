"""Reads of items and single envelopes: replay at start, the log, look-up by id."""

import sqlite3
from collections.abc import Sequence

from pushmesh_protocol.types import UnixMs

from ..engine.records import StoredDue, StoredEnvelope, StoredItem
from .bulk import pieces, placeholders
from .errors import StoreDamaged
from .rows import bucket
from .sums import COLLAPSING, ITEMS, LATE, SCHEDULED, VOIDS, Row, Table, checked

_STATE = f"{ITEMS.select} WHERE kind <> 5 AND origin IS NULL AND first_commit > ? ORDER BY first_commit LIMIT ?"
_LOG = f"{ITEMS.select} WHERE first_commit > ? AND origin IS NULL ORDER BY first_commit"

# The item that holds a commit number; a number whose item is gone has none.
COVERING = "(SELECT max(first_commit) FROM items WHERE first_commit <= {number})"
_LOCATE = """WITH n (commit_no) AS (VALUES {numbers})
    SELECT n.commit_no, i.first_commit FROM n CROSS JOIN items i ON i.first_commit = {covering}
     WHERE n.commit_no < i.first_commit + i.count"""

_COLLAPSING = f"{COLLAPSING.select} WHERE commit_no > ? ORDER BY commit_no LIMIT ?"
_FIND_IN_BUCKET = "SELECT commit_no FROM ids WHERE bucket = ? AND id = ?"
# Steps from bucket to bucket, the newest first, by the primary key; `x` is NULL after the oldest.
_FIND = """WITH RECURSIVE b (x) AS (
        SELECT max(bucket) FROM ids UNION ALL
        SELECT (SELECT max(bucket) FROM ids WHERE bucket < b.x) FROM b WHERE b.x IS NOT NULL)
    SELECT ids.commit_no FROM b CROSS JOIN ids ON ids.bucket = b.x AND ids.id = ? LIMIT 1"""


def state(connection: sqlite3.Connection, after: int, limit: int) -> list[StoredItem]:
    """At most `limit` items of the kinds that make up the engine's state, in commit order."""
    start = floor(connection, after)
    rows = checked(ITEMS, connection.execute(_STATE, (start, limit)))
    return _forward([_stored(row) for row in rows], start)


def log(connection: sqlite3.Connection, after: int, max_bytes: int) -> list[StoredItem]:
    """Items of all kinds in commit order with at most `max_bytes` of data, but at least one if there is one."""
    items: list[StoredItem] = []
    size = 0
    start = floor(connection, after)
    for row in connection.execute(_LOG, (start,)):
        item = _stored(checked(ITEMS, (row,))[0])
        size += len(item.data)
        if items and size > max_bytes:
            break
        items.append(item)
    return _forward(items, start)


def _forward(items: list[StoredItem], after: int) -> list[StoredItem]:
    """Raises StoreDamaged where pages lead back to what was read before: who goes on after the last would never end."""
    if items and items[-1].first_commit <= after:
        raise StoreDamaged(f"the pages of items lead from record {after} back to record {items[-1].first_commit}")
    return items


def _stored(row: Row) -> StoredItem:
    """(first_commit, count, kind, .. data) as data."""
    return StoredItem(row[0], row[1], row[2], row[-1])


def floor(connection: sqlite3.Connection, after: int) -> int:
    """The commit number to start after, so that a run which `after` points into is given whole."""
    sql = "SELECT first_commit, count FROM items WHERE first_commit <= ? ORDER BY first_commit DESC LIMIT 1"
    row = connection.execute(sql, (after,)).fetchone()
    if row is not None and row[0] + row[1] - 1 > after:
        return int(row[0]) - 1
    return after


_DUE = f"{SCHEDULED.select} WHERE due_at <= ? ORDER BY due_at, commit_no LIMIT ?"


def due(connection: sqlite3.Connection, now_ms: int, limit: int) -> list[StoredDue]:
    """The first `limit` scheduled envelopes whose time has come, also those that are gone or void."""
    times = [(commit_no, due_at) for due_at, commit_no in checked(SCHEDULED, connection.execute(_DUE, (now_ms, limit)))]
    numbers = [commit_no for commit_no, _due_at in times]
    held = {envelope.commit_no: envelope for envelope in envelopes(connection, numbers)}
    void, late = voids_among(connection, numbers), late_among(connection, numbers)
    return [
        StoredDue(commit_no, UnixMs(due_at), 0, None, commit_no in void, commit_no in late)
        if (envelope := held.get(commit_no)) is None
        else StoredDue(commit_no, UnixMs(due_at), envelope.index, envelope.data, commit_no in void, commit_no in late)
        for commit_no, due_at in times
    ]


def held(connection: sqlite3.Connection, wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
    """For each (id, issued-at ms) whether its envelope is stored."""
    sql = f"""SELECT 1 FROM ids JOIN items i ON i.first_commit = {COVERING.format(number="ids.commit_no")}
        WHERE ids.bucket = ? AND ids.id = ? AND ids.commit_no < i.first_commit + i.count"""
    return [connection.execute(sql, (bucket(at), id_)).fetchone() is not None for id_, at in wanted]


def expiries(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> dict[int, int]:
    """When (ms) the items that hold these numbers expire; those that are gone are left out."""
    found = {}
    sql = (
        "SELECT first_commit + count, expires_at FROM items WHERE first_commit <= ? ORDER BY first_commit DESC LIMIT 1"
    )
    for commit_no in commit_nos:
        row = connection.execute(sql, (commit_no,)).fetchone()
        if row is not None and commit_no < row[0]:
            found[commit_no] = int(row[1])
    return found


_BUCKETS = """WITH RECURSIVE b (x) AS (
        SELECT max(bucket) FROM ids UNION ALL
        SELECT (SELECT max(bucket) FROM ids WHERE bucket < b.x) FROM b WHERE b.x > ?1)
    SELECT x FROM b WHERE x >= ?1"""


def find_all(connection: sqlite3.Connection, ids: Sequence[bytes], since_ms: int) -> list[StoredEnvelope]:
    """The envelopes of those ids that are held and were issued since then: a probe of each hour for each id, the newest
    hour first, until it is found."""
    missing = list(dict.fromkeys(ids))
    numbers: list[int] = []
    for (hour,) in connection.execute(_BUCKETS, (bucket(since_ms),)).fetchall() if missing else ():
        found: dict[bytes, int] = {}
        for part in pieces(missing):
            sql = f"SELECT id, commit_no FROM ids WHERE bucket = ? AND id IN {placeholders(len(part))}"
            found.update(connection.execute(sql, (hour, *part)).fetchall())
        if found:
            numbers += found.values()
            missing = [id_ for id_ in missing if id_ not in found]
        if not missing:
            break
    return envelopes(connection, sorted(numbers))


def find(connection: sqlite3.Connection, id_: bytes, issued_at: int | None) -> StoredEnvelope | None:
    """The envelope of an id. With its issued-at one probe; without it one for each hour that holds anything."""
    if issued_at is None:
        row = connection.execute(_FIND, (id_,)).fetchone()
    else:
        row = connection.execute(_FIND_IN_BUCKET, (bucket(issued_at), id_)).fetchone()
    if row is None:
        return None
    found = envelopes(connection, [row[0]])
    return found[0] if found else None


def envelopes(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> list[StoredEnvelope]:
    """The envelopes with these commit numbers in their order, without those whose item is gone."""
    first_of: dict[int, int] = {}
    for part in pieces(commit_nos):
        sql = _LOCATE.format(numbers=",".join(["(?)"] * len(part)), covering=COVERING.format(number="n.commit_no"))
        first_of.update(connection.execute(sql, tuple(part)).fetchall())
    data = _data(connection, sorted(set(first_of.values())))
    return [
        StoredEnvelope(number, number - first_of[number], *data[first_of[number]])
        for number in commit_nos
        if number in first_of
    ]


def _data(connection: sqlite3.Connection, first_commits: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """(kind, data) of items, each read once however many of its leaves are wanted."""
    data: dict[int, tuple[int, bytes]] = {}
    for part in pieces(first_commits):
        sql = f"{ITEMS.select} WHERE first_commit IN {placeholders(len(part))}"
        rows = checked(ITEMS, connection.execute(sql, tuple(part)))
        data.update((row[0], (row[2], row[-1])) for row in rows)
    return data


def collapsing(connection: sqlite3.Connection, after: int, limit: int) -> tuple[list[StoredEnvelope], int | None]:
    """Of the next `limit` notifications with a collapse key those that are held and not void, in commit order, and the
    number to go on after, None at the end."""
    numbers = [number for (number,) in checked(COLLAPSING, connection.execute(_COLLAPSING, (after, limit)))]
    void = voids_among(connection, numbers)
    found = envelopes(connection, [number for number in numbers if number not in void])
    return found, numbers[-1] if len(numbers) == limit else None


def voids_among(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> set[int]:
    """Those of the commit numbers that are void."""
    return _marked(connection, VOIDS, commit_nos)


def late_among(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> set[int]:
    """Those of the commit numbers that are late."""
    return _marked(connection, LATE, commit_nos)


def _marked(connection: sqlite3.Connection, table: Table, commit_nos: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for part in pieces(commit_nos):
        sql = f"{table.select} WHERE commit_no IN {placeholders(len(part))}"
        found.update(number for (number,) in checked(table, connection.execute(sql, tuple(part))))
    return found
