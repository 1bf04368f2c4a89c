"""Small files that hold secrets or promises: written whole or not at all, mode 0600, on disk when the call returns."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from .errors import KeyFileError


def write_private(path: Path, document: dict[str, Any], *, replace: bool = False) -> None:
    """Write JSON with mode 0600 and fsync. Raises KeyFileError where the file exists and `replace` is False, or on a
    bad disk."""
    text = json.dumps(document, indent=2) + "\n"
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists() and not replace:
            raise KeyFileError(f"{path} exists already and is not overwritten; name another file, or move it away")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                fresh.replace(path)
            else:
                os.link(fresh, path)  # unlike a rename it fails where another process was faster
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error


def read_private(path: Path) -> dict[str, Any]:
    """The JSON object of a file that nobody else can read. Raises KeyFileError with one sentence."""
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except FileNotFoundError as error:
        raise KeyFileError(f"there is no file {path}") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise KeyFileError(f"{path} cannot be read: it is not UTF-8") from error
    if mode & 0o077:
        raise KeyFileError(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise KeyFileError(f"{path} is not JSON: restore it from a copy, or move it away to make a new one") from error
    if not isinstance(document, dict):
        raise KeyFileError(f"{path} is not a JSON object: restore it from a copy, or move it away to make a new one")
    return document


def sync_folder(folder: Path) -> None:
    """Puts on disk which files a folder has. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
