"""Removes what has expired, in bounded steps. Runs on the writer's thread.

Items, private records and tokens go by their end, vouchers by their epoch. What stands in no such order is found by
walking its table, a bit at each step: rows that point to items (ids, slots, targets, decisions), since an item does
not know its rows, until then reads pass over them; cursors of devices that have not been heard of for long; topics
without items.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .items import COVERING
from .tally import Amount, amount_of, sets_of


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that is walked by its key; `dead` tells a row that goes, `now` being the time."""

    name: str
    key: tuple[str, ...]
    dead: str


def _pointing(name: str, key: tuple[str, ...], number: str) -> _Table:
    item = f"SELECT first_commit + count FROM items WHERE first_commit = {COVERING.format(number=f't.{number}')}"
    return _Table(name, key, f"t.{number} >= coalesce(({item}), 0)")


CURSOR_UNUSED_MS = 90 * 86_400_000
"""A device that has acknowledged nothing for so long begins anew."""

_WALKED = (
    _pointing("ids", ("bucket", "id"), "commit_no"),
    _pointing("slots", ("epoch", "author", "wide", "first_seq", "first_commit"), "first_commit"),
    _pointing("targets", ("stretch", "account", "commit_no"), "commit_no"),
    _pointing("decisions", ("account", "commit_no"), "commit_no"),
    # Only what is whole tells that its seal is gone.
    _Table(
        "late_receipts",
        ("commit_no",),
        """NOT EXISTS (SELECT 1 FROM receipts r WHERE r.number = t.number)
            AND t.sum = row_sum(t.commit_no, t.number)""",
    ),
    _Table("cursors", ("account", "device"), f"t.at <= {{now}} - {CURSOR_UNUSED_MS}"),
    # By then all that was read has expired.
    _Table("reads", ("account", "restriction"), f"t.at <= {{now}} - {CURSOR_UNUSED_MS}"),
)
_TOPICS = _Table("topics", ("topic_no",), "t.ends_at <= {now}")
"""Walked only when no expired item is left: until then one may still have the number."""

_KEEP_LAST_COMMIT = """UPDATE meta SET value = newest.number, sum = row_sum('last_commit', newest.number) FROM
    (SELECT first_commit + count - 1 AS number FROM items ORDER BY first_commit DESC LIMIT 1) newest
    WHERE name = 'last_commit' AND value < newest.number"""
"""A number is never given twice, also when the newest items are gone at the next start."""

_OWNED = ("items", "runs")

_DELETE_VOUCHERS = """DELETE FROM vouchers WHERE (epoch, account, key, stream) IN
    (SELECT epoch, account, key, stream FROM vouchers WHERE epoch < ? ORDER BY epoch LIMIT ?)"""

_DELETE_RECEIPTS = """DELETE FROM receipts WHERE number IN
    (SELECT number FROM receipts WHERE ends_at <= ? AND number < (SELECT max(number) FROM receipts)
    ORDER BY ends_at LIMIT ?)"""
"""The last one stays: the next names it."""

_DELETE_KEYED = tuple(
    f"""DELETE FROM {table} WHERE ({key}) IN
        (SELECT {key} FROM {table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""
    for table, key in (
        ("private", "account, kind"),
        ("private_topics", "account, topic"),
        ("tokens", "digest"),
        ("guests", "bridge, account"),
    )
) + tuple(
    f"""DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)"""
    for table, key in (("handed", "id, account"), ("reached", "commit_no, account, node_id"))
)
"""A step removes at most its limit of each, found by their end and not by a walk through all that lasts."""


@dataclass(slots=True)
class Sweep:
    """Where the walk through each pointing table stands; a new one begins at the start."""

    after: dict[str, tuple[object, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expired:
    """What a step removed: of each set so much, these topics, and from each walked table so many rows."""

    sets: Mapping[int, Amount]
    topic_nos: tuple[int, ...]
    rows: Mapping[str, int]

    @property
    def items(self) -> int:
        """In all sets."""
        return sum(amount.items for amount in self.sets.values())


def expire(connection: sqlite3.Connection, now_ms: int, limit: int, sweep: Sweep, before_epoch: int = 0) -> Expired:
    """Remove at most `limit` items, private records and tokens each with expires-at not after now; walk `limit` rows
    of each table that has no such order. Of vouchers those of epochs before `before_epoch` go, `limit` at a time."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_KEEP_LAST_COMMIT)
        sets = _expire_items(connection, now_ms, limit)
        removed = sum(amount.items for amount in sets.values())
        for delete in _DELETE_KEYED:
            connection.execute(delete, (now_ms, limit))
        connection.execute(_DELETE_RECEIPTS, (now_ms, limit))
        connection.execute(_DELETE_VOUCHERS, (before_epoch, limit))
        walked = [*_WALKED, _TOPICS] if removed < limit else _WALKED
        steps = {table.name: _walk(connection, table, limit, now_ms, sweep.after.get(table.name)) for table in walked}
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    sweep.after.update({name: position for name, (_dead, position) in steps.items()})
    topic_nos, _position = steps.get("topics", ((), None))
    rows = {name: len(dead) for name, (dead, _position) in steps.items()}
    return Expired(sets, tuple([number for (number,) in topic_nos]), rows)


def _expire_items(connection: sqlite3.Connection, now_ms: int, limit: int) -> dict[int, Amount]:
    """The soonest of each set, together at most `limit`."""
    removed: dict[int, Amount] = {}
    select = """SELECT first_commit, count, size FROM items
        WHERE shard = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?"""
    for shard in sets_of(connection):
        rows = connection.execute(select, (shard, now_ms, limit)).fetchall()
        if rows:
            remove_items(connection, [(first, first + count) for first, count, _size in rows])
            removed[shard] = amount_of([(count, size) for _first, count, size in rows])
            limit -= len(rows)
        if not limit:
            break
    return removed


def remove_items(connection: sqlite3.Connection, spans: Sequence[tuple[int, int]]) -> None:
    """Items by their first commit number and the one behind their last, inside the caller's transaction. The rows that
    point to them go with later walks."""
    firsts = [(first,) for first, _end in spans]
    for table in _OWNED:
        connection.executemany(f"DELETE FROM {table} WHERE first_commit = ?", firsts)
    for table in ("unsent", "voids", "late", "collapsing"):
        connection.executemany(f"DELETE FROM {table} WHERE commit_no >= ? AND commit_no < ?", spans)


def _walk(
    connection: sqlite3.Connection, table: _Table, limit: int, now_ms: int, after: tuple[object, ...] | None
) -> tuple[Sequence[tuple[Any, ...]], tuple[object, ...] | None]:
    """Walk the next `limit` rows and remove the dead ones: their keys, and the new position, None at the table's
    end."""
    key = ", ".join(table.key)
    marks = ", ".join("?" * len(table.key))
    where = f"WHERE ({key}) > ({marks})" if after else ""
    rows = connection.execute(
        f"SELECT {key}, {table.dead.format(now=now_ms)} FROM {table.name} t {where} ORDER BY {key} LIMIT ?",
        (*(after or ()), limit),
    ).fetchall()
    dead = [row[:-1] for row in rows if row[-1]]
    connection.executemany(f"DELETE FROM {table.name} WHERE ({key}) = ({marks})", dead)
    return dead, rows[-1][:-1] if len(rows) == limit else None
