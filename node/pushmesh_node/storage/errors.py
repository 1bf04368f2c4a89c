"""The exceptions of the store.

StoreError            the operator can mend it: one sentence, raised by open() only
StoreBusy             the queue is full: nothing was taken, try again later
StoreFailed           the disk refused: nothing of that call is stored, later calls may work again
  StoreDamaged        the file is not what was written: whoever runs the node opens the store anew, which salvages it
"""

import sqlite3
from enum import StrEnum


class Fault(StrEnum):
    """What the world did to the store."""

    FULL = "full"
    READ_ONLY = "read-only"
    IO = "io"
    DAMAGED = "damaged"
    OTHER = "other"


class StoreError(Exception):
    """The store cannot be opened; the message is one sentence for an operator."""


class StoreBusy(Exception):
    """The write queue is over its bound; nothing of the call was taken."""


class StoreFailed(Exception):
    """The disk or the file failed; `reason` says how. Nothing of the call is stored."""

    def __init__(self, reason: str, fault: Fault = Fault.OTHER) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault


class StoreDamaged(StoreFailed):
    """Pages of the file do not fit each other. Reads and writes elsewhere in it may still work."""

    def __init__(self, reason: str, fault: Fault = Fault.DAMAGED) -> None:
        super().__init__(reason, fault)


# The faults of the world; everything else that SQLite raises is a bug of this room and must crash loudly.
_WORLD = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def is_fault_of_the_world(error: sqlite3.Error) -> bool:
    """Whether disk, file or memory failed, and not a statement of ours."""
    # Python leaves the code out where it refuses before SQLite is asked: that is always our mistake.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _WORLD


def describe(error: sqlite3.Error | OSError) -> str:
    """SQLite's sentence with the exact code, such as `database or disk is full (SQLITE_FULL)`; of an OSError the
    system's."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{error} ({getattr(error, 'sqlite_errorname', 'no code')})"


_FAULTS = {
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_READONLY: Fault.READ_ONLY,
    sqlite3.SQLITE_PERM: Fault.READ_ONLY,
    sqlite3.SQLITE_IOERR: Fault.IO,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
}


def failure_of(error: sqlite3.Error) -> StoreFailed:
    """The exception for a fault of the world."""
    fault = _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, Fault.OTHER)
    kind = StoreDamaged if fault is Fault.DAMAGED else StoreFailed
    return kind(describe(error), fault)
