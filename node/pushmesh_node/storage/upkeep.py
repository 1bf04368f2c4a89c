"""Small steps on the writer's thread: is there room, does the disk take anything, give freed pages back."""

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from .migrations import PAGE_BYTES

PROBE_BYTES = 65_536
"""As much as a busy group of commits: a disk that takes a few bytes alone has not recovered."""

TIGHT_PERCENT = 95
"""From here on what is paid by work is refused."""

VACUUM_ABOVE_PAGES = 4_096
VACUUM_SHARE = 4
"""Free pages are given back above 16 MiB and a quarter of the file: fewer will be needed again soon."""


class Room(IntEnum):
    """What may come in."""

    FREE = 0
    TIGHT = 1
    """Nothing whose only claim is work."""
    FULL = 2
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the file, its pages in use and free; and the bytes that the disk has left for this process."""

    used_bytes: int
    free_pages: int
    pages: int
    disk_free_bytes: int


def usage(connection: sqlite3.Connection, path: Path) -> Usage:
    """As of now. A disk that cannot be asked counts as one with room: the next commit will tell."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    try:
        disk = os.statvfs(path.parent)
        disk_free = disk.f_bavail * disk.f_frsize
    except OSError:
        disk_free = 2**62
    return Usage((pages - free) * PAGE_BYTES, free, pages, disk_free)


def room_of(used: Usage, budget_bytes: int, min_free_bytes: int) -> Room:
    """By the budget (0 is none) and by what the disk must have left."""
    if used.disk_free_bytes < min_free_bytes or (budget_bytes and used.used_bytes >= budget_bytes):
        return Room.FULL
    is_tight = budget_bytes and used.used_bytes * 100 >= budget_bytes * TIGHT_PERCENT
    return Room.TIGHT if is_tight or used.disk_free_bytes < 2 * min_free_bytes else Room.FREE


def probe(connection: sqlite3.Connection) -> None:
    """Commit something and remove it. Raises sqlite3.Error while the disk refuses."""
    connection.execute("CREATE TABLE IF NOT EXISTS probe (data BLOB)")
    try:
        connection.execute("INSERT INTO probe VALUES (zeroblob(?))", (PROBE_BYTES,))
    finally:
        connection.execute("DELETE FROM probe")


def vacuum_step(connection: sqlite3.Connection, used: Usage, pages: int) -> int:
    """Give at most so many free pages back to the disk; returns how many are still too many."""
    keep = max(VACUUM_ABOVE_PAGES, used.pages // VACUUM_SHARE)
    if used.free_pages <= keep:
        return 0
    # It gives one page back at each step of the statement, and execute() takes one step where there are no columns.
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")
    return max(0, used.free_pages - pages - keep)


Place = tuple[int, int]
"""Which file it is: its device and its number there."""


def places_of(path: Path) -> Mapping[Path, Place]:
    """Of an open store: its file and its log. Raises OSError."""
    found = {each: each.stat() for each in (path, path.with_name(path.name + "-wal"))}
    return {each: (stat.st_dev, stat.st_ino) for each, stat in found.items()}


def is_in_place(path: Path, places: Mapping[Path, Place]) -> bool:
    """Whether the files are still those that were opened. One that was removed, or that another took the name of, is
    written to all the same, and is gone with the process. A disk that cannot be asked is not blamed: commits tell."""
    try:
        return places_of(path) == places
    except FileNotFoundError:
        return False
    except OSError:
        return True
