"""Rows of what became of notifications: `handed` is what this node owes to origins, `reached` what it was told as
one."""

import sqlite3
from collections.abc import Sequence

from pushmesh_protocol.levels import ACKNOWLEDGED
from pushmesh_protocol.types import Account, UnixMs

from ..engine.records import HandedRecord, Owed, ReachedRecord, ToldMark

_HAND = """INSERT INTO handed (id, account, issued_at, origin, level, named, at, ends_at, told, evidence)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
    ON CONFLICT (id, account) DO UPDATE SET
        level = excluded.level, named = excluded.named, at = excluded.at, told = 0, evidence = excluded.evidence
    WHERE excluded.level > level"""
_TELL = "UPDATE handed SET told = 1 WHERE id = ? AND account = ? AND level = ?"
_REACH = """INSERT INTO reached (commit_no, account, node_id, level, count, at, ends_at, evidence)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (commit_no, account, node_id) DO UPDATE SET
        level = excluded.level, count = excluded.count, at = excluded.at, evidence = excluded.evidence
    WHERE (excluded.level, excluded.count) > (level, count)"""
_OWED = f"""SELECT id, account, issued_at, origin, level, named, at, ends_at, evidence,
    (SELECT count(*) FROM handed t WHERE t.id = handed.id),
    (SELECT count(*) FROM handed t WHERE t.id = handed.id AND t.level >= {ACKNOWLEDGED})
    FROM handed WHERE told = 0 AND origin = ? ORDER BY id, account LIMIT ?"""
_REACHED = "SELECT commit_no, node_id, account, level, count, at, ends_at, evidence FROM reached WHERE commit_no = ?"


def write_handed(connection: sqlite3.Connection, records: Sequence[HandedRecord]) -> None:
    """A higher level replaces a lower one, and is to be told again."""
    rows = [(r.id, r.account, r.issued_at, r.origin, r.level, r.named, r.at, r.ends_at, r.evidence) for r in records]
    connection.executemany(_HAND, rows)


def write_told(connection: sqlite3.Connection, marks: Sequence[ToldMark]) -> None:
    """Of another level than was told there is still something to tell."""
    connection.executemany(_TELL, [(mark.id, mark.account, mark.level) for mark in marks])


def write_reached(connection: sqlite3.Connection, records: Sequence[ReachedRecord]) -> None:
    """What is less than is known changes nothing."""
    rows = [(r.commit_no, _key_of(r), r.node_id, r.level, r.count, r.at, r.ends_at, r.evidence) for r in records]
    connection.executemany(_REACH, rows)


def _key_of(record: ReachedRecord) -> bytes:
    return bytes((record.level,)) if record.account is None else record.account


def origins_owed(connection: sqlite3.Connection) -> list[bytes]:
    """Nodes that are owed outcomes."""
    return [origin for (origin,) in connection.execute("SELECT DISTINCT origin FROM handed WHERE told = 0")]


def owed(connection: sqlite3.Connection, origin: bytes, limit: int) -> list[Owed]:
    """The first `limit` outcomes that an origin was not told, by id."""
    found = []
    for *handed, evidence, delivered, acknowledged in connection.execute(_OWED, (origin, limit)):
        id_, account, issued_at, node, level, named, at, ends_at = handed
        record = HandedRecord(id_, account, issued_at, node, level, bool(named), at, ends_at, evidence)
        found.append(Owed(record, delivered, acknowledged))
    return found


def row_counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """Rows of both tables."""
    (handed,) = connection.execute("SELECT count(*) FROM handed").fetchone()
    (reached,) = connection.execute("SELECT count(*) FROM reached").fetchone()
    return handed, reached


def totals(connection: sqlite3.Connection, commit_no: int) -> list[ReachedRecord]:
    """By level and node."""
    rows = connection.execute(f"{_REACHED} AND length(account) = 1 ORDER BY account, node_id", (commit_no,))
    return [_record_of(row) for row in rows]


def recipients(connection: sqlite3.Connection, commit_no: int, after: bytes, limit: int) -> list[ReachedRecord]:
    """The first `limit` named wallets after an account."""
    sql = f"{_REACHED} AND length(account) > 1 AND account > ? ORDER BY account, node_id LIMIT ?"
    return [_record_of(row) for row in connection.execute(sql, (commit_no, after, limit))]


def _record_of(row: tuple[int, bytes, bytes, int, int, int, int, bytes | None]) -> ReachedRecord:
    commit_no, node_id, account, level, count, at, ends_at, evidence = row
    named = None if len(account) == 1 else Account(account)
    return ReachedRecord(commit_no, node_id, named, level, count, UnixMs(at), UnixMs(ends_at), evidence)
