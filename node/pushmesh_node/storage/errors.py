"""The exceptions of the store.

StoreError            the operator can mend it: one sentence, raised by open() only
StoreBusy             the queue is full: nothing was taken, try again later
StoreFailed           the disk refused: nothing of that call is stored, later calls may work again
"""

import sqlite3


class StoreError(Exception):
    """The store cannot be opened; the message is one sentence for an operator."""


class StoreBusy(Exception):
    """The write queue is over its bound; nothing of the call was taken."""


class StoreFailed(Exception):
    """The disk or the file failed; `reason` says how. Nothing of the call is stored."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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


def describe(error: sqlite3.Error) -> str:
    """SQLite's sentence with the exact code, such as `database or disk is full (SQLITE_FULL)`."""
    return f"{error} ({getattr(error, 'sqlite_errorname', 'no code')})"
