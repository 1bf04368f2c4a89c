"""Opening the database file: header, schema and pragmas, each with its reason."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from . import singles
from .errors import StoreError
from .migrations import PAGE_BYTES, check_header, migrate
from .settings import StoreSettings

_EVERY_CONNECTION = (
    "PRAGMA synchronous = FULL",  # the log is synced at each commit: this is what `durable` promises
    "PRAGMA temp_store = MEMORY",  # the only sorters are small
    "PRAGMA trusted_schema = OFF",  # the file may not bring functions
    "PRAGMA secure_delete = OFF",  # wiping freed pages doubles the writes of expiry; what is stored is public or sealed
)


SKIPPED_NUMBERS = 1 << 20
"""At each opening but the first; more than a node ever has under way, and enough for 2^43 openings."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the file says about itself."""

    incarnation: bytes
    last_commit: int
    items: int


def check_can_open(path: Path) -> None:
    """Raise StoreError with SQLite's reason when the file cannot be opened or made."""
    try:
        sqlite3.connect(path).close()
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be opened: {error}") from error


def prepare_writer(connection: sqlite3.Connection, path: Path, new_incarnation: bytes, settings: StoreSettings) -> Meta:
    """Check, create or upgrade the file. Raises StoreError, before anything is written to a file that is not ours."""
    version = check_header(connection, path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path} is on a file system that cannot hold a write-ahead log (shared memory is missing)")
    connection.execute(f"PRAGMA wal_autocheckpoint = {settings.log_bytes // PAGE_BYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {settings.log_bytes}")
    _prepare(connection, settings.write_cache_bytes, settings)
    migrate(connection, version, new_incarnation)
    for statement in singles.PREPARE:
        connection.execute(statement)
    if version:
        _skip_numbers(connection)
    return read_meta(connection)


def _skip_numbers(connection: sqlite3.Connection) -> None:
    """Whoever had the file before may have told readers of numbers whose commit a kill prevented. Were they given
    again, a reader that goes on after its cursor would miss what stands under them now."""
    meta = read_meta(connection)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'last_commit'", (meta.last_commit + SKIPPED_NUMBERS,))


def prepare_reader(connection: sqlite3.Connection, settings: StoreSettings) -> None:
    """A connection that cannot change data, but may copy the log. Run after prepare_writer."""
    _prepare(connection, settings.read_cache_bytes, settings)
    connection.execute("PRAGMA query_only = ON")


def _prepare(connection: sqlite3.Connection, cache_bytes: int, settings: StoreSettings) -> None:
    for pragma in _EVERY_CONNECTION:
        connection.execute(pragma)
    connection.execute(f"PRAGMA cache_size = {-(cache_bytes // 1024)}")
    connection.execute(f"PRAGMA mmap_size = {settings.mmap_bytes}")


def read_meta(connection: sqlite3.Connection) -> Meta:
    """What stands in an up-to-date file."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    (last,) = connection.execute(
        "SELECT first_commit + count - 1 FROM items ORDER BY first_commit DESC LIMIT 1"
    ).fetchone() or (0,)
    (items,) = connection.execute("SELECT count(*) FROM items").fetchone()
    return Meta(meta["incarnation"], max(meta["last_commit"], last), items)


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
