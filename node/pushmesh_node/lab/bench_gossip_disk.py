"""Looks into the store of a running node from outside: what another process can read there is on the disk.

SQLite in WAL mode shows a commit to others only after the log was synced (synchronous=FULL), so this needs no word of
the node itself. It never writes.
"""

import sqlite3
from pathlib import Path

PATIENCE_S = 10.0

_LAST = "SELECT first_commit + count - 1 FROM items ORDER BY first_commit DESC LIMIT 1"
_IDS = "SELECT id, commit_no FROM ids WHERE commit_no > ?"


class StoreWatch:
    """One node's store; one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error where there is none."""
        address = f"{path.resolve().as_uri()}?mode=ro"
        self._database = sqlite3.connect(address, uri=True, timeout=PATIENCE_S, check_same_thread=False)

    def last_commit(self) -> int:
        """The highest commit number on the disk; 0 of an empty store."""
        (number,) = self._database.execute(_LAST).fetchone() or (0,)
        return int(number)

    def ids_after(self, commit_no: int) -> dict[bytes, int]:
        """Ids and commit numbers of single envelopes after `commit_no`. Reads the whole index: for pauses."""
        return dict(self._database.execute(_IDS, (commit_no,)))

    def close(self) -> None:
        """Idempotent."""
        self._database.close()
