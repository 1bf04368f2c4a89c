"""An append-only file with one writer: a line is in it whole or not at all. Knows nothing of what its lines say."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from .errors import BookError
from .files import sync_folder

_TRIES = 8


class Journal:
    """Locked from its making until it is closed; lines may be appended from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises BookError where the file cannot be used or another process has it open."""
        self._path = path
        self._descriptor: int | None = _open_locked(path)
        self._size = 0
        self._appending = Lock()

    def lines(self) -> list[bytes]:
        """All of them, to be asked once, at the beginning; half a line at the end, left by a crash, is none.

        Raises BookError."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise BookError(f"the slot book {self._path} cannot be read: {error.strerror}") from error
        lines = data.split(b"\n")
        self._size = len(data) - len(lines.pop())
        return lines

    def append(self, line: bytes, *, sync: bool) -> None:
        """With `sync` it is on disk when this returns. Raises BookError; whether the line is in the file is then in
        doubt, and the next one is whole all the same."""
        data = line + b"\n"
        try:
            with self._appending:
                descriptor = self._open()
                if os.pwrite(descriptor, data, self._size) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._size += len(data)
            if sync:
                os.fsync(descriptor)
        except OSError as error:
            raise BookError(f"the slot book {self._path} cannot be written: {error.strerror}") from error

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Put these lines in the place of all others, at once; where the disk refuses, everything stays as it was."""
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        data = b"".join(line + b"\n" for line in lines)
        with suppress(OSError):
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.write(descriptor, data) == len(data):
                    os.fsync(descriptor)
                    fresh.replace(self._path)
                    descriptor, self._descriptor = self._open(), descriptor
                    self._size = len(data)
                    sync_folder(self._path.parent)
            finally:
                os.close(descriptor)
                fresh.unlink(missing_ok=True)

    def close(self) -> None:
        """Idempotent; nothing can be appended any more."""
        with self._appending:  # a thread that still writes must not write to whatever gets the number next
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            raise BookError(f"the slot book {self._path} is closed")
        return self._descriptor


def _open_locked(path: Path) -> int:
    for _ in range(_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise BookError(f"the slot book {path} cannot be opened: {error.strerror}") from error
        if _is_ours(descriptor, path):
            return descriptor
        os.close(descriptor)
    raise BookError(f"the slot book {path} is in use by another process; one at a time may sign: try again later")


def _is_ours(descriptor: int, path: Path) -> bool:
    """Locked, and not a file that another process put a new one in the place of meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
