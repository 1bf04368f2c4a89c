"""Opening the database file: header, schema and pragmas, each with its reason."""

import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import singles
from .derived import Remake
from .errors import StoreDamaged, StoreError, is_fault_of_the_world
from .migrations import PAGE_BYTES, check_header, migrate
from .retention import read_floors
from .scrub import check_pages, check_pages_quickly
from .sets import ShardOf, one_shard
from .settings import StoreSettings
from .sums import META, SUMMED, checked, prepare_sums, sum_of
from .tally import Amount, count_sets
from .walking import POINTING

_EVERY_CONNECTION = (
    "PRAGMA synchronous = FULL",  # the log is synced at each commit: this is what `durable` promises
    "PRAGMA temp_store = MEMORY",  # the only sorters are small
    "PRAGMA trusted_schema = OFF",  # the file may not bring functions
    "PRAGMA secure_delete = OFF",  # wiping freed pages doubles the writes of expiry; what is stored is public or sealed
)


QUICK_BYTES = 64 << 20
"""A file of this size is looked through in a fraction of a second."""

LOG_PIECE_BYTES = 1 << 20
"""A log is written again in pieces of this size."""

SKIPPED_NUMBERS = 1 << 20
"""At each opening but the first; more than a node ever has under way, and enough for 2^43 openings."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the file says about itself."""

    incarnation: bytes
    last_commit: int
    sets: Mapping[int, Amount]
    floors: Mapping[int, int]
    in_sync_ms: int | None = None


def check_can_open(path: Path) -> None:
    """Raise StoreError with SQLite's reason when the file cannot be opened or made."""
    try:
        sqlite3.connect(path).close()
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be opened: {error}") from error


def prepare_writer(
    connection: sqlite3.Connection,
    path: Path,
    new_incarnation: bytes,
    settings: StoreSettings,
    shard_of: ShardOf = one_shard,
    is_suspect: bool = False,
    was_ours: bool = False,
    remake: Remake | None = None,
) -> Meta:
    """Check, create or upgrade the file. Raises StoreError, before anything is written to a file that is not ours; and
    StoreDamaged where its pages do not fit each other, which is looked at if it `is_suspect`."""
    version = check_header(connection, path, was_ours=was_ours)
    if is_suspect:
        _check_pages(connection, path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; freed pages can then be given back
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path} is on a file system that cannot hold a write-ahead log (shared memory is missing)")
    connection.execute(f"PRAGMA wal_autocheckpoint = {settings.log_bytes // PAGE_BYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {settings.log_bytes}")
    _prepare(connection, settings.write_cache_bytes, settings)
    migrate(connection, version, new_incarnation, shard_of, remake)
    check_tables(connection)
    for statement in singles.PREPARE:
        connection.execute(statement)
    if version:
        _skip_numbers(connection)
    return read_meta(connection)


def check_tables(connection: sqlite3.Connection) -> None:
    """Raise StoreDamaged where the file's list of tables is not what was written there."""
    listed = {table: table.listed for table in SUMMED} | {table: ", ".join(table.columns) for table in POINTING}
    for table, columns in listed.items():
        try:
            connection.execute(f"SELECT {columns} FROM {table.name} LIMIT 0")
        except sqlite3.OperationalError as error:
            if is_fault_of_the_world(error):
                raise
            raise StoreDamaged(f"its list of tables is damaged: {error}") from error


def _skip_numbers(connection: sqlite3.Connection) -> None:
    """Whoever had the file before may have told readers of numbers whose commit a kill prevented. Were they given
    again, a reader that goes on after its cursor would miss what stands under them now."""
    set_last_commit(connection, read_meta(connection).last_commit + SKIPPED_NUMBERS)


def set_last_commit(connection: sqlite3.Connection, number: int) -> None:
    """No lower number is given to a commit from now on."""
    row = ("last_commit", number)
    connection.execute("UPDATE meta SET value = ?, sum = ? WHERE name = 'last_commit'", (number, sum_of(row)))


def prepare_reader(connection: sqlite3.Connection, settings: StoreSettings) -> None:
    """A connection that cannot change data, but may copy the log. Run after prepare_writer."""
    _prepare(connection, settings.read_cache_bytes, settings)
    connection.execute("PRAGMA query_only = ON")


def _prepare(connection: sqlite3.Connection, cache_bytes: int, settings: StoreSettings) -> None:
    for pragma in _EVERY_CONNECTION:
        connection.execute(pragma)
    prepare_sums(connection)
    connection.execute(f"PRAGMA cache_size = {-(cache_bytes // 1024)}")
    connection.execute(f"PRAGMA mmap_size = {settings.mmap_bytes}")


def read_meta(connection: sqlite3.Connection) -> Meta:
    """What stands in an up-to-date file. Raises Damaged; StoreDamaged where what it needs was moved aside."""
    meta: dict[str, Any] = dict(checked(META, connection.execute(META.select)))
    if not {"incarnation", "last_commit"} <= meta.keys():
        raise StoreDamaged("a row of meta is missing")
    (last,) = connection.execute(
        "SELECT first_commit + count - 1 FROM items ORDER BY first_commit DESC LIMIT 1"
    ).fetchone() or (0,)
    return Meta(
        meta["incarnation"],
        max(meta["last_commit"], last),
        count_sets(connection),
        read_floors(connection),
        meta.get("in_sync"),
    )


def is_suspect(path: Path) -> bool:
    """Whether the file should be looked at before it is used: damage was met in it, or whoever had it did not close it
    and looking is quick."""
    was_closed = size_of(path.with_name(path.name + "-wal")) == 0
    return mark_of(path).exists() or not (was_closed or size_of(path) > QUICK_BYTES)


def drop_cut_log(path: Path) -> None:
    """Move the log away where it ends before what the file itself has: it was cut, and its pages are older ones.

    What is left of such a log was copied into the file before, so that nothing goes with it."""
    log = path.with_name(path.name + "-wal")
    if size_of(log) == 0 or size_of(path) == 0:
        return
    uri = path.absolute().as_uri()
    try:
        is_cut = _highest(f"{uri}?immutable=1") > _highest(f"{uri}?mode=ro")
    except sqlite3.DatabaseError:
        return  # the pages are looked at next, and tell
    if is_cut:
        os.replace(log, path.with_name(f"{path.name}.cut-{time.time_ns()}-wal"))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)


def write_log_again(path: Path) -> None:
    """Write the log that an earlier process left over itself, and sync it. Raises StoreError where the disk refuses.

    A sync that fails is told once: Linux takes the pages for clean then, and goes on reading what the disk does not
    have. Whoever saw it fail never counts on those pages again; who comes after him reads them as good ones and goes
    on behind them, and all that he syncs there is out of reach after a power cut. As the bytes are those that are
    read anyway, a crash on the way costs nothing."""
    log = path.with_name(path.name + "-wal")
    if size_of(log) == 0:
        return
    try:
        descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        try:
            at = 0
            while piece := os.pread(descriptor, LOG_PIECE_BYTES, at):
                at += os.pwrite(descriptor, piece, at)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"the log {log} of the store cannot be written: {error.strerror}") from error


def _highest(uri: str) -> int:
    """The highest number that was ever given to a commit: it never falls, whatever expires."""
    connection = sqlite3.connect(uri, uri=True)
    try:
        (told,) = connection.execute("SELECT value FROM meta WHERE name = 'last_commit'").fetchone() or (0,)
        (held,) = connection.execute("SELECT coalesce(max(first_commit), 0) FROM items").fetchone()
    finally:
        connection.close()
    return max(int(told), int(held))


def mark_of(path: Path) -> Path:
    """A file that stands beside the store while it is known to be damaged."""
    return path.with_name(path.name + ".suspect")


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    mark = mark_of(path)
    problems = check_pages(connection) if mark.exists() else check_pages_quickly(connection)
    if problems:
        raise StoreDamaged(problems[0])
    mark.unlink(missing_ok=True)


def check_was_not_emptied(path: Path, incarnation: str) -> None:
    """Raise StoreError for an empty file that held a store before, as its lock remembers: it would begin anew."""
    if incarnation and size_of(path) == 0 and size_of(path.with_name(path.name + "-wal")) == 0:
        raise StoreError(
            f"the store {path} is empty or gone, though there was one here: restore a backup with "
            f"`pushmesh store restore`, or remove {path.name}.lock to begin anew"
        )


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
