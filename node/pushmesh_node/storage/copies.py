"""What an operator does with a whole store: verify, back up, restore, compact. Beside a running node where it only
reads, else under the store's lock. Blocking; for the command line."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .derived import Remake
from .errors import StoreDamaged, StoreError, describe, is_fault_of_the_world
from .files import check_tables, drop_cut_log, mark_of, read_meta, size_of, write_log_again
from .lock import StoreLock
from .migrations import MIGRATIONS, check_header
from .salvage import sync
from .scrub import Position, check_pages, look
from .sums import META, Damaged, prepare_sums, with_sum

STEP_ROWS = 1_024
BACKUP_PAGES = 4_096
"""A step of a backup: 16 MiB."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(slots=True)
class Verified:
    """What a look at everything found. `damaged` and `missing` count rows by table."""

    records: int = 0
    envelopes: int = 0
    rows: int = 0
    last_commit: int = 0
    incarnation: bytes = b""
    quarantined: int = 0
    damaged: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    pages: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Nothing is damaged and nothing missing; what was moved aside earlier does not count."""
        return not (self.damaged or self.missing or self.pages)


def verify(path: Path, remake: Remake | None, progress: Progress) -> Verified:
    """Look at every page and every row, changing nothing; a node may have the store open. Raises StoreError."""
    found = Verified()
    with open_reading(path) as connection:
        try:
            found.pages += check_pages(connection)
            check_tables(connection)
            meta = read_meta(connection)
            total = meta_records = sum(amount.items for amount in meta.sets.values())
            found.incarnation, found.last_commit, found.records = meta.incarnation, meta.last_commit, meta_records
            (found.quarantined,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
            position: Position | None = Position()
            while position is not None:
                seen = look(connection, position, STEP_ROWS, remake)
                found.rows += seen.rows
                found.envelopes += seen.envelopes
                found.damaged.update(damage.table.name for damage in seen.damaged)
                for missing in seen.missing.values():
                    found.missing.update({table: len(rows) for table, rows in missing.items()})
                position = seen.position
                progress(min(found.rows, total), total)
        except Damaged as damage:
            found.damaged[damage.table.name] += 1
        except StoreDamaged as failure:
            found.pages.append(failure.reason)
        except sqlite3.DatabaseError as error:
            if not is_fault_of_the_world(error):
                raise
            found.pages.append(describe(error))
    return found


def back_up(path: Path, target: Path, progress: Progress) -> int:
    """Copy the store as it is at this moment, beside a running node; returns the bytes. Raises StoreError.

    The copy is checked before it gets its name."""
    if target.exists():
        raise StoreError(f"{target} is there already: a backup overwrites nothing")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with open_reading(path) as source, closing(_create(part)) as copy:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM meta").fetchone()  # from here on it sees one moment
            source.backup(copy, pages=BACKUP_PAGES, progress=lambda _status, left, total: progress(total - left, total))
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete by itself
            problems = check_pages(copy)
        if problems:
            raise StoreError(f"the store {path} is damaged, so that no backup was made: {problems[0]}")
        sync(part)
        os.replace(part, target)
        sync(target.absolute().parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the backup {target} cannot be written: {describe(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return size_of(target)


def restore(backup: Path, path: Path, remake: Remake | None, new_incarnation: bytes, progress: Progress) -> Path | None:
    """Put a backup in the place of the store, which must not be in use; returns where the old one is now, if there was
    one. The backup is verified first, and stays. Raises StoreError.

    The store gets a new incarnation: commit numbers since the backup were told to others, and will be given again."""
    found = verify(backup, remake, progress)
    if not found.is_sound:
        raise StoreError(f"the backup {backup} is damaged: {_first(found)}; nothing was changed")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = StoreLock(path)
    try:
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        try:
            with open_reading(backup) as source, closing(_create(part)) as copy:
                source.backup(copy, pages=BACKUP_PAGES)
                prepare_sums(copy)
                row = with_sum(("incarnation", new_incarnation))
                copy.execute(META.replace + " VALUES (?, ?, ?)", row)
                copy.commit()
            sync(part)
            old = _move_away(path, "before-restore")
            os.replace(part, path)
            sync(path.absolute().parent)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {path} cannot be written: {describe(error)}") from error
        mark_of(path).unlink(missing_ok=True)
        lock.remember(new_incarnation.hex())
    finally:
        lock.release()
    return old


def compact(path: Path) -> tuple[int, int]:
    """Write the file anew without free pages; it must not be in use. Returns its bytes before and after. Raises
    StoreError. Needs as much room again while it works."""
    if not path.exists():
        raise StoreError(f"there is no store {path}")
    lock = StoreLock(path)
    try:
        before = size_of(path) + size_of(path.with_name(path.name + "-wal"))
        drop_cut_log(path)
        write_log_again(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _check(connection, path)
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, size_of(path)
    except sqlite3.Error as error:
        if not is_fault_of_the_world(error):
            raise
        raise StoreError(f"the store {path} cannot be compacted: {describe(error)}") from error
    finally:
        lock.release()


@contextmanager
def open_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing; a node may have the store open. Raises StoreError for what is no store of this
    version."""
    if not path.exists():
        raise StoreError(f"there is no store {path}")
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            prepare_sums(connection)
            _check(connection, path)
            yield connection
    except sqlite3.Error as error:
        if not is_fault_of_the_world(error):
            raise
        raise StoreError(f"{path} cannot be read: {describe(error)}") from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = check_header(connection, path)
    if version != len(MIGRATIONS):
        raise StoreError(f"{path} is of an older version of pushmesh: start a node on it once, which upgrades it")


def _create(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return sqlite3.connect(path)


def _move_away(path: Path, word: str) -> Path | None:
    if not path.exists():
        return None
    number = 1
    while (away := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    for suffix in ("-wal", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            os.replace(old, away.with_name(away.name + suffix))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    return away


def _first(found: Verified) -> str:
    if found.pages:
        return found.pages[0]
    kind, counts = ("damaged", found.damaged) if found.damaged else ("missing", found.missing)
    table, count = next(iter(counts.items()))
    return f"{count} rows of {table} are {kind}"
