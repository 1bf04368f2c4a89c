"""One process per store: a lock file beside it that the kernel releases whatever way the process ends."""

import fcntl
import os
from pathlib import Path

from .errors import StoreError


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
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreError(f"the store {path} is in use by another process (pid {holder})") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Call once, after the last connection is closed."""
        os.close(self._descriptor)
