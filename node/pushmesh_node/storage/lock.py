"""One process per store: a lock file beside it that the kernel releases whatever way the process ends."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from .errors import StoreError

_INCARNATION = re.compile("[0-9a-f]{32}")


class StoreLock:
    """An exclusive lock on `<store>.lock`. The file stays; only the lock on it counts.

    It is a file of its own because closing any descriptor of the database file would drop SQLite's own locks on it.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock at once. Raises StoreError when another holds it or the folder cannot be written."""
        lock_path = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the store's folder {path.parent} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._read()[0] or "unknown"
            os.close(self._descriptor)
            raise StoreError(f"the store {path} is in use by another process (pid {holder})") from error
        self.incarnation = self._read()[1]
        """In hex, of the store that was here before; empty where none was."""
        self._write(self.incarnation)

    def remember(self, incarnation: str) -> None:
        """A file that is empty afterwards was not so by our doing."""
        if incarnation != self.incarnation:
            self.incarnation = incarnation
            self._write(incarnation)

    def _read(self) -> tuple[str, str]:
        pid, _, rest = os.pread(self._descriptor, 64, 0).decode("ascii", "replace").partition("\n")
        return pid.strip(), rest if _INCARNATION.fullmatch(rest) else ""

    def _write(self, incarnation: str) -> None:
        """A full disk is no reason not to start: the lock itself needs no room."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n{incarnation}".encode(), 0)

    def release(self) -> None:
        """Call once, after the last connection is closed."""
        os.close(self._descriptor)
