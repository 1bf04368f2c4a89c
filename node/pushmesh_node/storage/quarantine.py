"""Moves a damaged row aside: as it was read, with the ids that stood in it, so that peers can be asked for them.

Nothing else is touched; what pointed to it goes, so that what comes back is found. Runs on the writer's thread.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from .derived import Remake, topic_of
from .errors import StoreDamaged
from .items import find
from .promises import note_lost_link, note_lost_row, note_lost_seals
from .sums import (
    ITEMS,
    LATE_RECEIPTS,
    META,
    QUARANTINE,
    RECEIPTS,
    RUNS,
    SLOTS,
    TOPICS,
    Damaged,
    Row,
    Table,
    as_found,
    checked,
    is_intact,
    with_sum,
)

KEPT_ROWS = 16_384
"""Of more the oldest are forgotten."""

MAX_ENVELOPES = 1_024
"""No record has more."""

_INSERT = f"{QUARANTINE.insert} VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM quarantine WHERE no <= (SELECT max(no) FROM quarantine) - ?"
_decode_ids = msgspec.msgpack.Decoder(list[bytes]).decode


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that was moved aside; `ids` are of the envelopes that this node does not hold any more."""

    no: int
    at: int
    table: str
    reason: str
    ids: tuple[bytes, ...]


def set_aside(
    connection: sqlite3.Connection, damage: Damaged, now_ms: int, remake: Remake | None = None, keep_ms: int = 0
) -> Aside | None:
    """Move the row aside, or do nothing where the file has it whole: then it was a page in memory. A topic is made
    again from its items at once, by `remake`: it must not get another number. What a receipt promised, for `keep_ms`,
    holds without it.

    Raises StoreDamaged where the row cannot be found by its own key or removed."""
    table, key = damage.table, as_found(key_of(damage.table, damage.row))
    where = _where(table, damage.row)
    row = connection.execute(f"{table.select} WHERE {where}", key).fetchone()
    if row is None:
        raise StoreDamaged(f"a row of {table.name} does not stand where its key belongs")
    if is_intact(row):
        return None
    try:
        return _move(connection, table, where, key, row, now_ms, remake, keep_ms)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
    reindex(connection, table)  # the damaged value stood in an index too
    return _move(connection, table, where, key, row, now_ms, remake, keep_ms)


def reindex(connection: sqlite3.Connection, table: Table) -> None:
    """Make a table's indexes anew from its rows."""
    connection.execute(f"REINDEX {table.name}")


def _where(table: Table, row: Row) -> str:
    """Finds a row by its key, also where a text in it is none any more."""
    parts = [
        f"{column} IS CAST(? AS TEXT)" if isinstance(value, str) else f"{column} IS ?"
        for column, value in zip(table.key, key_of(table, row), strict=True)
    ]
    return " AND ".join(parts)


def key_of(table: Table, row: Row) -> tuple[object, ...]:
    """The values of the row's key."""
    return tuple([row[table.columns.index(column)] for column in table.key])


def _move(
    connection: sqlite3.Connection,
    table: Table,
    where: str,
    key: Sequence[object],
    row: Row,
    now_ms: int,
    remake: Remake | None,
    keep_ms: int,
) -> Aside:
    connection.execute("BEGIN IMMEDIATE")
    try:
        no = next_no(connection)  # of the quarantine's own rows the number must not come again
        ids = _let_go(connection, key[0]) if table is ITEMS else ()
        if table in (SLOTS, RUNS):
            connection.execute("DELETE FROM slots WHERE first_commit = ?", (row[table.columns.index("first_commit")],))
        removed = connection.execute(f"DELETE FROM {table.name} WHERE {where}", key).rowcount
        if removed != 1 and table is not SLOTS:
            raise StoreDamaged(f"a row of {table.name} cannot be removed by its key")
        if table is TOPICS and remake is not None and (again := topic_of(connection, row[0], remake)) is not None:
            connection.execute(f"{TOPICS.replace} VALUES (?, ?, ?, ?, ?)", again)
        _note_promises(connection, table, row, now_ms, keep_ms)
        keep(connection, no, now_ms, table.name, "checksum", ids, row)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Aside(no, now_ms, table.name, "checksum", ids)


def _note_promises(connection: sqlite3.Connection, table: Table, row: Row, now_ms: int, keep_ms: int) -> None:
    if table is RECEIPTS:
        note_lost_row(connection, row, now_ms, keep_ms)
    elif table is LATE_RECEIPTS:
        note_lost_link(connection, now_ms, keep_ms)
    elif table is META:  # which may have been such a note
        note_lost_seals(connection, now_ms, keep_ms)


def keep(
    connection: sqlite3.Connection, no: int, now_ms: int, table: str, reason: str, ids: Sequence[bytes], row: Row
) -> None:
    """Write a row of the quarantine, inside the caller's transaction."""
    packed = msgspec.msgpack.encode(ids), msgspec.msgpack.encode(as_found(row))
    connection.execute(_INSERT, with_sum((no, now_ms, table, reason, *packed)))
    connection.execute(_FORGET, (KEPT_ROWS,))


def next_no(connection: sqlite3.Connection) -> int:
    """The number of the quarantine's next row."""
    (no,) = connection.execute("SELECT coalesce(max(no), 0) + 1 FROM quarantine").fetchone()
    return int(no)


def _let_go(connection: sqlite3.Connection, first_commit: object) -> tuple[bytes, ...]:
    """The ids of an item whose row is damaged, by what points to it; and remove what would hide it when it comes
    back. Walks whole indexes: it is seldom."""
    sql = "SELECT coalesce(min(first_commit), ?1 + ?2) FROM items WHERE first_commit > ?1"
    (end,) = connection.execute(sql, (first_commit, MAX_ENVELOPES)).fetchone()
    span = (first_commit, end)
    rows = connection.execute("SELECT bucket, id FROM ids WHERE commit_no >= ? AND commit_no < ?", span).fetchall()
    connection.executemany("DELETE FROM ids WHERE bucket = ? AND id = ?", rows)
    for table in ("slots", "runs"):
        connection.execute(f"DELETE FROM {table} WHERE first_commit = ?", (first_commit,))
    connection.execute("DELETE FROM unsent WHERE commit_no >= ? AND commit_no < ?", span)
    return tuple([id_ for _bucket, id_ in rows])


def read_quarantine(connection: sqlite3.Connection, limit: int) -> list[Aside]:
    """The newest first. Raises Damaged."""
    rows = connection.execute(f"{QUARANTINE.select} ORDER BY no DESC LIMIT ?", (limit,))
    return [
        Aside(no, at, table, reason, tuple(_decode_ids(ids)))
        for no, at, table, reason, ids, _row in checked(QUARANTINE, rows)
    ]


def missing_ids(connection: sqlite3.Connection, limit: int) -> list[bytes]:
    """Ids that stood in damaged rows and are not held under any number, the newest loss first."""
    found: list[bytes] = []
    for aside in read_quarantine(connection, KEPT_ROWS):
        for id_ in aside.ids:
            if find(connection, id_, None) is None:
                found.append(id_)
        if len(found) >= limit:
            break
    return found[:limit]
