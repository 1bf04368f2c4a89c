"""Removes what has expired, in bounded steps. Runs on the writer's thread.

Items go by their end. Rows that point to items (ids, slots, targets, decisions) are found by walking their tables, a
bit at each step, since an item does not know its rows; until then reads pass over them.
"""

import sqlite3
from dataclasses import dataclass, field

from .items import COVERING


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    key: tuple[str, ...]
    number: str


_POINTERS = (
    _Table("ids", ("bucket", "id"), "commit_no"),
    _Table("slots", ("epoch", "author", "wide", "first_seq", "first_commit"), "first_commit"),
    _Table("targets", ("account", "commit_no"), "commit_no"),
    _Table("decisions", ("account", "commit_no"), "commit_no"),
)
_KEEP_LAST_COMMIT = """UPDATE meta SET value = max(value, coalesce(
    (SELECT first_commit + count - 1 FROM items ORDER BY first_commit DESC LIMIT 1), 0)) WHERE name = 'last_commit'"""
"""A number is never given twice, also when the newest items are gone at the next start."""

_OWNED = ("items", "runs", "unsent")

_DELETE_KEYED = tuple(
    f"""DELETE FROM {table} WHERE ({key}) IN
        (SELECT {key} FROM {table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""
    for table, key in (("private", "account, kind"), ("tokens", "digest"))
)
"""A step removes at most its limit of each, found by their end and not by a walk through all that lasts."""


@dataclass(slots=True)
class Sweep:
    """Where the walk through each pointing table stands; a new one begins at the start."""

    after: dict[str, tuple[object, ...] | None] = field(default_factory=dict)


def expire(connection: sqlite3.Connection, now_ms: int, limit: int, sweep: Sweep) -> int:
    """Remove at most `limit` items, private records and tokens each with expires-at not after now; walk `limit` rows
    of each pointing table.

    The answer is the number of items removed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_KEEP_LAST_COMMIT)
        removed = _expire_items(connection, now_ms, limit)
        for delete in _DELETE_KEYED:
            connection.execute(delete, (now_ms, limit))
        positions = {table.name: _sweep(connection, table, limit, sweep.after.get(table.name)) for table in _POINTERS}
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    sweep.after.update(positions)
    return removed


def _expire_items(connection: sqlite3.Connection, now_ms: int, limit: int) -> int:
    select = "SELECT first_commit, first_commit + count FROM items WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
    spans = connection.execute(select, (now_ms, limit)).fetchall()
    firsts = [(first,) for first, _end in spans]
    for table in _OWNED:
        connection.executemany(f"DELETE FROM {table} WHERE first_commit = ?", firsts)
    connection.executemany("DELETE FROM voids WHERE commit_no >= ? AND commit_no < ?", spans)
    return len(spans)


def _sweep(
    connection: sqlite3.Connection, table: _Table, limit: int, after: tuple[object, ...] | None
) -> tuple[object, ...] | None:
    """Walk the next `limit` rows and remove those whose item is gone. The new position, None at the table's end."""
    key = ", ".join(table.key)
    marks = ", ".join("?" * len(table.key))
    where = f"WHERE ({key}) > ({marks})" if after else ""
    covering = COVERING.format(number=f"t.{table.number}")
    rows = connection.execute(
        f"""SELECT {key}, t.{table.number} >= coalesce((SELECT first_commit + count FROM items
            WHERE first_commit = {covering}), 0) FROM {table.name} t {where} ORDER BY {key} LIMIT ?""",
        (*(after or ()), limit),
    ).fetchall()
    dead = [row[:-1] for row in rows if row[-1]]
    connection.executemany(f"DELETE FROM {table.name} WHERE ({key}) = ({marks})", dead)
    return rows[-1][:-1] if len(rows) == limit else None
