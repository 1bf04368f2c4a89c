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
from .promises import note_lost_seals
from .quarantine import keep, next_no
from .sets import ShardOf
from .sums import (
    ITEMS,
    LATE_RECEIPTS,
    META,
    RECEIPTS,
    RUNS,
    SLOTS,
    SUMMED,
    Row,
    Table,
    is_intact,
    prepare_sums,
)
from .topics import TopicNumbers
from .transaction import write_group
from .walking import POINTING, Walk

T = TypeVar("T")

PIECE_ROWS = 1_024


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
    keep_ms: int = 0,
) -> Salvaged:
    """Put a new file in the place of the damaged one; nobody else may have it open. `prepare` makes a new store of an
    empty file; `keep_ms` is how long receipts promise to keep. Raises StoreError where nothing can be read, or where
    the disk fails; until the new file takes its place all files are as before."""
    fresh = path.with_name(path.name + ".salvage")
    _remove(fresh)
    try:
        target = sqlite3.connect(fresh, isolation_level=None)
        try:
            prepare(target, fresh)
            counts = _fill(path, target, shard_of, remake, now_ms, keep_ms)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            target.close()
    except (sqlite3.Error, OSError) as error:
        _remove(fresh)
        if isinstance(error, sqlite3.Error) and not is_fault_of_the_world(error):
            raise
        raise StoreError(f"the store {path} is damaged and cannot be salvaged: {describe(error)}") from error
    except _NothingReadable as error:
        _remove(fresh)
        raise StoreError(
            f"the store {path} is damaged and nothing of it can be read ({error}); restore a backup with "
            "`pushmesh store restore`, or move the file away to begin anew and fetch what peers have"
        ) from error
    try:
        damaged = _exchange(fresh, path)
    except OSError as error:
        raise StoreError(
            f"the store {path} is damaged, and what was salvaged cannot take its place ({describe(error)}): "
            f"it is {fresh}"
        ) from error
    return Salvaged(damaged, *counts)


class _NothingReadable(Exception):
    """Neither SQLite nor we found anything."""


def _fill(
    path: Path, target: sqlite3.Connection, shard_of: ShardOf, remake: Remake | None, now_ms: int, keep_ms: int
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
            counts = _carve_all(path, target, shard_of, remake, str(error))
            note_lost_seals(target, now_ms, keep_ms)
            return counts
        return _copy_all(source, target, remake, now_ms, keep_ms)
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
    source: sqlite3.Connection, target: sqlite3.Connection, remake: Remake | None, now_ms: int, keep_ms: int
) -> tuple[int, int, int, int]:
    rows = quarantined = 0
    seals_are_whole = True
    for table in [table for table in SUMMED if remake is None or table not in (SLOTS, RUNS)]:
        walk = Walk(source, table)
        bad = 0
        for piece in _pieces(walk.rows()):
            whole = [row for row in piece if is_intact(row)]
            target.execute("BEGIN")
            _insert(target, table, table.listed, whole)
            for row in [row for row in piece if not is_intact(row)] if len(whole) < len(piece) else ():
                keep(target, next_no(target), now_ms, table.name, "salvage", (), row)
            target.execute("COMMIT")
            rows += len(whole)
            bad += len(piece) - len(whole)
        quarantined += bad
        if table in (META, RECEIPTS, LATE_RECEIPTS):
            seals_are_whole = seals_are_whole and walk.is_whole and not bad
    for table in POINTING if remake is None else ():
        for piece in _pieces(Walk(source, table).rows()):
            target.execute("BEGIN")
            _insert(target, table, ", ".join(table.columns), piece)
            target.execute("COMMIT")
            rows += len(piece)
    if not seals_are_whole:
        note_lost_seals(target, now_ms, keep_ms)
    remade = 0 if remake is None else _remake_all(target, remake)
    (records,) = target.execute("SELECT count(*) FROM items").fetchone()
    return records, rows, quarantined, remade


def _insert(target: sqlite3.Connection, table: Table, columns: str, rows: Sequence[Row]) -> None:
    how = "REPLACE" if table is META else "IGNORE"  # a page that is linked twice gives its rows twice
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
