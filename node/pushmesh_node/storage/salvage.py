"""Saves what can be read of a damaged file into a new one. The damaged one is kept beside it, under another name.

Rows are read around the pages that cannot be read, and only those whose sums fit are taken; the others go into the new
file's quarantine. What stands beside items is made again from them.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..engine.records import Record, StoredItem, VoidMark
from .carve import carve_items
from .derived import Remake, missing_rows, write_missing
from .errors import StoreError, describe, is_fault_of_the_world
from .quarantine import keep
from .sets import ShardOf
from .sums import ITEMS, META, RUNS, SLOTS, SUMMED, Row, Table, is_intact, prepare_sums
from .topics import TopicNumbers
from .transaction import write_group

T = TypeVar("T")

PROBES = 65_536
"""Ranges of a table that are tried at most."""

PIECE_ROWS = 1_024

_BARE = (
    Table("unsent", ("commit_no",), ("commit_no",)),
    Table("quarantine", ("no", "at", "origin", "reason", "ids", "row"), ("no",)),
    Table("floors", ("shard", "floor"), ("shard",)),
    Table("receipts", ("number", "first_commit", "last_commit", "ends_at", "kept_until", "data"), ("number",)),
    Table("late_receipts", ("commit_no", "number"), ("commit_no",)),
    Table(
        "handed",
        ("id", "account", "issued_at", "origin", "level", "named", "at", "ends_at", "told", "evidence"),
        ("id", "account"),
    ),
    Table(
        "reached",
        ("commit_no", "account", "node_id", "level", "count", "at", "ends_at", "evidence"),
        ("commit_no", "account", "node_id"),
    ),
)
"""Tables without sums that cannot be made again."""

_POINTING = (
    Table("ids", ("bucket", "id", "commit_no"), ("bucket", "id")),
    Table("targets", ("stretch", "account", "commit_no"), ("stretch", "account", "commit_no")),
)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What came of it; `damaged` is where the old file is now."""

    damaged: Path
    records: int
    rows: int
    quarantined: int
    remade: int

    @property
    def sentence(self) -> str:
        """For the log and the operator."""
        return (
            f"the store was damaged: {self.records} records were salvaged and {self.quarantined} damaged rows moved "
            f"aside; the damaged file is kept as {self.damaged}"
        )


def salvage(
    path: Path,
    prepare: Callable[[sqlite3.Connection, Path], object],
    shard_of: ShardOf,
    remake: Remake | None,
    now_ms: int,
) -> Salvaged:
    """Put a new file in the place of the damaged one; nobody else may have it open. `prepare` makes a new store of an
    empty file. Raises StoreError where nothing can be read, or where the disk fails; then the files are as before."""
    fresh = path.with_name(path.name + ".salvage")
    _remove(fresh)
    try:
        target = sqlite3.connect(fresh, isolation_level=None)
        try:
            prepare(target, fresh)
            counts = _fill(path, target, shard_of, remake, now_ms)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            target.close()
    except sqlite3.Error as error:
        _remove(fresh)
        if not is_fault_of_the_world(error):
            raise
        raise StoreError(f"the store {path} is damaged and cannot be salvaged: {describe(error)}") from error
    except _NothingReadable as error:
        _remove(fresh)
        raise StoreError(
            f"the store {path} is damaged and nothing of it can be read ({error}); restore a backup with "
            "`pushmesh store restore`, or move the file away to begin anew and fetch what peers have"
        ) from error
    damaged = _exchange(fresh, path)
    return Salvaged(damaged, *counts)


class _NothingReadable(Exception):
    """Neither SQLite nor we found anything."""


def _fill(
    path: Path, target: sqlite3.Connection, shard_of: ShardOf, remake: Remake | None, now_ms: int
) -> tuple[int, int, int, int]:
    """By SQLite; where it cannot open the file at all, item by item from its pages."""
    source = sqlite3.connect(path, isolation_level=None)
    try:
        try:
            prepare_sums(source)
            source.execute("PRAGMA query_only = ON")
            source.execute("PRAGMA cell_size_check = ON")
            source.execute(f"{ITEMS.select} LIMIT 0")
        except sqlite3.DatabaseError as error:
            if remake is None:
                raise _NothingReadable(str(error)) from error
            return _carve_all(path, target, shard_of, remake, str(error))
        return _copy_all(source, target, remake, now_ms)
    finally:
        source.close()


def _carve_all(
    path: Path, target: sqlite3.Connection, shard_of: ShardOf, remake: Remake, why: str
) -> tuple[int, int, int, int]:
    """What is public alone: tokens, cursors and vouchers are gone with the table of contents. What waited for its time
    is shown at once where that has come."""
    records: dict[int, Record] = {}
    for row in carve_items(path):
        record = remake(StoredItem(row[0], row[1], row[2], row[-2])) if row[7] is None else None
        if record is not None:
            records[record.first_commit] = record
    if not records:
        raise _NothingReadable(why)
    topics, last = TopicNumbers(shard_of), 0
    for piece in _pieces(records[number] for number in sorted(records)):
        last = write_group(target, piece, topics, last).last_commit
    write_group(target, [VoidMark(number) for number in _voids(records.values())], topics, last)
    return len(records), len(records), 0, 0


def _voids(records: Iterable[Record]) -> list[int]:
    """Those that share a slot with another id (SPEC 6.5)."""
    holders: dict[tuple[bytes, int, int], dict[bytes, int]] = {}
    for record in records:
        for seq in range(record.first_seq, record.end_seq):
            leaf = seq - record.first_seq if record.count > 1 else 0
            holders.setdefault((record.author, record.epoch, seq), {})[record.ids[leaf]] = record.first_commit + leaf
    return sorted({number for ids in holders.values() if len(ids) > 1 for number in ids.values()})


def _copy_all(
    source: sqlite3.Connection, target: sqlite3.Connection, remake: Remake | None, now_ms: int
) -> tuple[int, int, int, int]:
    rows = quarantined = 0
    tables = [table for table in SUMMED if remake is None or table not in (SLOTS, RUNS)]
    for table in [*tables, *_BARE, *(_POINTING if remake is None else ())]:
        for piece in _pieces(readable(source, table)):
            whole = piece if table.name not in _SUMMED_NAMES else [row for row in piece if is_intact(row)]
            bad = [] if len(whole) == len(piece) else [row for row in piece if not is_intact(row)]
            target.execute("BEGIN")
            _insert(target, table, whole)
            for row in bad:
                keep(target, now_ms, table.name, "salvage", (), row)
            target.execute("COMMIT")
            rows += len(whole)
            quarantined += len(bad)
    remade = 0 if remake is None else _remake_all(target, remake)
    (records,) = target.execute("SELECT count(*) FROM items").fetchone()
    return records, rows, quarantined, remade


_SUMMED_NAMES = frozenset(table.name for table in SUMMED)


def _insert(target: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> None:
    how = "REPLACE" if table is META else "IGNORE"  # a page that is linked twice gives its rows twice
    columns = table.listed if table.name in _SUMMED_NAMES else ", ".join(table.columns)
    marks = ", ".join("?" * (columns.count(",") + 1))
    target.executemany(f"INSERT OR {how} INTO {table.name} ({columns}) VALUES ({marks})", rows)


def _remake_all(target: sqlite3.Connection, remake: Remake) -> int:
    """What stands beside items."""
    remade, after = 0, 0
    while rows := target.execute(
        f"{ITEMS.select} WHERE first_commit > ? ORDER BY first_commit LIMIT ?", (after, 256)
    ).fetchall():
        target.execute("BEGIN")
        for row in rows:
            record = remake(StoredItem(row[0], row[1], row[2], row[-2]))
            if record is not None:
                missing = missing_rows(target, record, row[7], row[3])
                write_missing(target, missing)
                remade += sum(len(found) for found in missing.values())
        target.execute("COMMIT")
        after = rows[-1][0]
    return remade


def _pieces(rows: Iterable[T]) -> Iterator[list[T]]:
    piece: list[T] = []
    for row in rows:
        piece.append(row)
        if len(piece) == PIECE_ROWS:
            yield piece
            piece = []
    if piece:
        yield piece


def readable(source: sqlite3.Connection, table: Table) -> Iterator[Row]:
    """All rows that can be read, some perhaps twice; around what cannot, from both sides and, where keys are numbers,
    between."""
    walk = _Walk(source, table)
    yield from walk.between(None, None)


class _Walk:
    """Reads ranges of one table; `ORDER BY` its key, upwards to the first error, then downwards to the last."""

    def __init__(self, source: sqlite3.Connection, table: Table) -> None:
        self._source = source
        self._key = ", ".join(table.key)
        self._marks = ", ".join("?" * len(table.key))
        columns = table.listed if table.name in _SUMMED_NAMES else ", ".join(table.columns)
        self._select = f"SELECT {columns} FROM {table.name}"
        self._places = [table.columns.index(column) for column in table.key]
        self._probes = PROBES

    def between(self, low: Row | None, high: Row | None) -> Iterator[Row]:
        """Rows with low < key < high."""
        self._probes -= 1
        last, whole = low, False
        for row in self._rows(low, high, "ASC"):
            if row is None:
                whole = True
            else:
                last = self._key_of(row)
                yield row
        if whole:
            return
        first = high
        for row in self._rows(last, high, "DESC"):
            if row is not None:
                first = self._key_of(row)
                yield row
        middle = _middle(last, first)
        if middle is not None and self._probes > 0:
            yield from self.between(last, (middle,))
            yield from self.between((middle - 1,), first)

    def _rows(self, low: Row | None, high: Row | None, order: str) -> Iterator[Row | None]:
        """The rows up to the first that cannot be read; at the end None, if there was no such.

        A walk fails one row before, since each step looks at the next: the last ones are asked for one by one."""
        step = ""
        while True:
            bounds = [("<", high)] if high is not None else []
            bounds += [(">", low)] if low is not None else []
            where = " AND ".join(f"({self._key}) {sign} ({self._marks})" for sign, _bound in bounds)
            sql = f"{self._select} {'WHERE ' + where if where else ''} ORDER BY {_each(self._key, order)}{step}"
            found = 0
            try:
                for row in self._source.execute(sql, [value for _sign, bound in bounds for value in bound]):
                    found += 1
                    low, high = (self._key_of(row), high) if order == "ASC" else (low, self._key_of(row))
                    yield row
            except sqlite3.DatabaseError as error:
                if not is_fault_of_the_world(error):
                    raise
                if step:
                    return
                step = " LIMIT 1"
                continue
            if not step or not found:
                yield None
                return

    def _key_of(self, row: Row) -> Row:
        return tuple([row[place] for place in self._places])


def _each(columns: str, order: str) -> str:
    return ", ".join(f"{column} {order}" for column in columns.split(", "))


def _middle(low: Row | None, high: Row | None) -> int | None:
    """A number between two keys of one number each, None where there is none."""
    if high is None:
        high = (2**62,)
    if low is None:
        low = (0,)
    if len(low) != 1 or len(high) != 1 or not isinstance(low[0], int) or not isinstance(high[0], int):
        return None
    return (low[0] + high[0]) // 2 + 1 if high[0] - low[0] > 2 else None


def _exchange(fresh: Path, path: Path) -> Path:
    """Put the new file in the place of the old one, which is kept with its log."""
    number = 1
    while (damaged := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", ""):  # the log first: a new file must never stand beside an old log
        old = path.with_name(path.name + suffix)
        if old.exists():
            os.replace(old, damaged.with_name(damaged.name + suffix))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    sync(fresh)
    os.replace(fresh, path)
    sync(path.parent)
    return damaged


def sync(path: Path) -> None:
    """Make a file's bytes or a folder's names durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
