"""Rows of what became of notifications: `handed` is what this node owes to origins, `reached` what it was told as
one."""

import sqlite3
from collections.abc import Sequence

from pushmesh_protocol.levels import ACKNOWLEDGED
from pushmesh_protocol.types import Account, UnixMs

from ..engine.records import HandedRecord, Owed, ReachedRecord, ToldMark
from .sums import HANDED, REACHED, Row, checked, first, with_sum

_BY_WALLET = f"{HANDED.select} WHERE id = ? AND account = ?"
_OWED = f"{HANDED.select} WHERE told = 0 AND origin = ? ORDER BY id, account LIMIT ?"
_LEVEL, _TOLD = 4, 8
"""Places in a row of `handed`."""

_BY_NODE = f"{REACHED.select} WHERE commit_no = ? AND account = ? AND node_id = ?"
_REACHED = f"{REACHED.select} WHERE commit_no = ?"


def write_handed(connection: sqlite3.Connection, records: Sequence[HandedRecord]) -> None:
    """A higher level replaces a lower one, and is to be told again. Raises Damaged, before it writes over such a
    row."""
    for r in records:
        known = first(HANDED, connection.execute(_BY_WALLET, (r.id, r.account)))
        if known is None:
            said = (r.issued_at, r.origin, r.level, int(r.named), r.at, r.ends_at, 0, r.evidence)
        elif r.level > known[_LEVEL]:
            said = (known[2], known[3], r.level, int(r.named), r.at, known[7], 0, r.evidence)
        else:
            continue
        _replace_handed(connection, (r.id, r.account, *said))


def write_told(connection: sqlite3.Connection, marks: Sequence[ToldMark]) -> None:
    """Of another level than was told there is still something to tell. Raises Damaged."""
    for mark in marks:
        known = first(HANDED, connection.execute(_BY_WALLET, (mark.id, mark.account)))
        if known is not None and known[_LEVEL] == mark.level and not known[_TOLD]:
            _replace_handed(connection, (*known[:_TOLD], 1, *known[_TOLD + 1 :]))


def _replace_handed(connection: sqlite3.Connection, row: Row) -> None:
    connection.execute(f"{HANDED.replace} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", with_sum(row))


def write_reached(connection: sqlite3.Connection, records: Sequence[ReachedRecord]) -> None:
    """What is less than is known changes nothing. Raises Damaged."""
    for r in records:
        key = (r.commit_no, _key_of(r), r.node_id)
        known = first(REACHED, connection.execute(_BY_NODE, key))
        if known is None or (r.level, r.count) > known[3:5]:
            ends_at = r.ends_at if known is None else known[6]
            row = with_sum((*key, r.level, r.count, r.at, ends_at, r.evidence))
            connection.execute(f"{REACHED.replace} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _key_of(record: ReachedRecord) -> bytes:
    return bytes((record.level,)) if record.account is None else record.account


def origins_owed(connection: sqlite3.Connection) -> list[bytes]:
    """Nodes that are owed outcomes."""
    return [origin for (origin,) in connection.execute("SELECT DISTINCT origin FROM handed WHERE told = 0")]


def owed(connection: sqlite3.Connection, origin: bytes, limit: int) -> list[Owed]:
    """The first `limit` outcomes that an origin was not told, by id. Raises Damaged."""
    rows = checked(HANDED, connection.execute(_OWED, (origin, limit)))
    totals_of = {id_: _totals_of(connection, id_) for id_ in dict.fromkeys([row[0] for row in rows])}
    found = []
    for id_, account, issued_at, node, level, named, at, ends_at, _told, evidence in rows:
        record = HandedRecord(id_, account, issued_at, node, level, bool(named), at, ends_at, evidence)
        found.append(Owed(record, *totals_of[id_]))
    return found


def _totals_of(connection: sqlite3.Connection, id_: bytes) -> tuple[int, int]:
    """How many wallets got a notification here, and how many acknowledged it."""
    rows = checked(HANDED, connection.execute(f"{HANDED.select} WHERE id = ?", (id_,)))
    return len(rows), len([row for row in rows if row[_LEVEL] >= ACKNOWLEDGED])


def row_counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """Rows of both tables."""
    (handed,) = connection.execute("SELECT count(*) FROM handed").fetchone()
    (reached,) = connection.execute("SELECT count(*) FROM reached").fetchone()
    return handed, reached


def totals(connection: sqlite3.Connection, commit_no: int) -> list[ReachedRecord]:
    """By level and node. Raises Damaged."""
    rows = connection.execute(f"{_REACHED} AND length(account) = 1 ORDER BY account, node_id", (commit_no,))
    return [_record_of(row) for row in checked(REACHED, rows)]


def recipients(connection: sqlite3.Connection, commit_no: int, after: bytes, limit: int) -> list[ReachedRecord]:
    """The first `limit` named wallets after an account. Raises Damaged."""
    sql = f"{_REACHED} AND length(account) > 1 AND account > ? ORDER BY account, node_id LIMIT ?"
    return [_record_of(row) for row in checked(REACHED, connection.execute(sql, (commit_no, after, limit)))]


def _record_of(row: Row) -> ReachedRecord:
    commit_no, account, node_id, level, count, at, ends_at, evidence = row
    named = None if len(account) == 1 else Account(account)
    return ReachedRecord(commit_no, node_id, named, level, count, UnixMs(at), UnixMs(ends_at), evidence)
