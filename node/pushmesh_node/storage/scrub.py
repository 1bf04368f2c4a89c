"""Walks through everything that the store holds, a few rows at a time: sums, and whether an item's rows are all there.

It only looks; whoever calls it moves aside and writes what it found.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ..engine.records import StoredItem
from .derived import Missing, Remake, missing_rows
from .errors import StoreDamaged
from .quarantine import key_of
from .receipts import missing_links
from .sums import ITEMS, RECEIPTS, SUMMED, Damaged, Row, Table, is_intact


@dataclass(frozen=True, slots=True)
class Position:
    """The next table of SUMMED, and the key of the last row of it that was looked at."""

    table: int = 0
    after: tuple[object, ...] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step saw: where the next one goes on (None at the end of all), how many rows and envelopes, what was
    damaged, and by number what rows lack: items by their first, seals by their own."""

    position: Position | None
    rows: int
    envelopes: int
    damaged: Sequence[Damaged]
    missing: Mapping[int, Missing]


def look(connection: sqlite3.Connection, position: Position, limit: int, remake: Remake | None) -> Seen:
    """Look at the next rows of one table: at most `limit`, and of items not more than have so many envelopes, but at
    least one. Without `remake` sums alone are checked. Raises StoreDamaged where the pages have no order."""
    table = SUMMED[position.table]
    key = ", ".join(table.key)
    where = f"WHERE ({key}) > ({', '.join('?' * len(table.key))})" if position.after else ""
    sql = f"{table.select} {where} ORDER BY {key} LIMIT ?"
    with closing(connection.execute(sql, (*(position.after or ()), limit + 1))) as found:
        rows, is_end = _as_many(found, table, limit)
    damaged = [Damaged(table, row) for row in rows if not is_intact(row)]
    whole = [row for row in rows if is_intact(row)]
    missing = dict[int, Missing]()
    if table is ITEMS and remake is not None:
        missing = _missing(connection, whole, remake, damaged)
    if table is RECEIPTS:
        missing = {row[0]: {"late_receipts": links} for row in whole if (links := missing_links(connection, row))}
    held = sum([row[1] for row in whole if row[7] is None]) if table is ITEMS else 0
    return Seen(_next(connection, position, rows, is_end), len(rows), held, damaged, missing)


def _as_many(found: Iterable[Row], table: Table, limit: int) -> tuple[list[Row], bool]:
    """The rows of a step, and whether they end the table. What stands beside a run takes as long as its envelopes."""
    rows: list[Row] = []
    weight = 0
    for row in found:
        weight += row[1] if table is ITEMS and is_intact(row) else 1
        if rows and weight > limit:
            return rows, False
        rows.append(row)
    return rows, True


def _next(connection: sqlite3.Connection, position: Position, rows: Sequence[Row], is_end: bool) -> Position | None:
    """Raises StoreDamaged where pages lead back to where the step began: such a way has no end."""
    table = SUMMED[position.table]
    if not is_end:
        whole = [row for row in rows if is_intact(row)]
        for row in (rows[-1], *whole[-1:]):  # a damaged row may stand under a key that is not its own
            key = key_of(table, row)
            if position.after is None or _is_behind(connection, key, position.after):
                return Position(position.table, key)
        raise StoreDamaged(f"the pages of {table.name} lead back to what stands before them")
    return Position(position.table + 1) if position.table + 1 < len(SUMMED) else None


def _is_behind(connection: sqlite3.Connection, key: Sequence[object], other: Sequence[object]) -> bool:
    """As SQLite orders them, whatever types a damaged row gave them."""
    marks = ", ".join("?" * len(key))
    (is_behind,) = connection.execute(f"SELECT ({marks}) > ({marks})", (*key, *other)).fetchone()
    return bool(is_behind)


def _missing(
    connection: sqlite3.Connection, rows: Sequence[Row], remake: Remake, damaged: list[Damaged]
) -> dict[int, Missing]:
    found: dict[int, Missing] = {}
    for row in rows:
        record = remake(StoredItem(row[0], row[1], row[2], row[-2]))
        if record is None:  # its sum fits, yet it cannot be read: written by a fault of ours, and of no use
            damaged.append(Damaged(ITEMS, row))
        elif missing := missing_rows(connection, record, row[7], row[3], remake):
            found[row[0]] = missing
    return found


def check_pages(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with the structure of the file; empty where nothing is. Raises sqlite3.Error."""
    rows = connection.execute("PRAGMA integrity_check(100)").fetchall()
    return [text for (text,) in rows if text != "ok"]


def check_order(connection: sqlite3.Connection, tables: Iterable[str]) -> list[str]:
    """What SQLite finds wrong with some tables and their indexes. A row that lost its place may hide those behind it,
    which are found one by one all the same."""
    return [
        text
        for table in tables
        for (text,) in connection.execute(f"PRAGMA integrity_check({table})").fetchall()
        if text != "ok"
    ]


def check_pages_quickly(connection: sqlite3.Connection) -> list[str]:
    """The same without comparing indexes with their tables."""
    rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    return [text for (text,) in rows if text != "ok"]
