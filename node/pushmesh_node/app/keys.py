"""The node's key: a 32-byte Ed25519 seed in a file that only its owner can read."""

import os
import stat
from pathlib import Path

from ..config import ConfigError

SEED_BYTES = 32


def create_key(path: Path, seed: bytes) -> None:
    """Write a new key with mode 0600. Raises ConfigError where a file is there already or cannot be written."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"the key {path} is there already; a node keeps its key, so it is not overwritten") from error
    except OSError as error:
        raise ConfigError(f"the key {path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(seed.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()  # half a key would stand in the way of a whole one
        raise ConfigError(f"the key {path} cannot be written: {error.strerror}") from error


def load_key(path: Path) -> bytes:
    """The seed. Raises ConfigError where it is missing, readable by others, or not 32 bytes in hex."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise ConfigError(f"the key {path} is missing; `pushmesh init` makes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key {path} cannot be read: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"the key {path} can be read by others; run `chmod 600 {path}`")
    try:
        seed = bytes.fromhex(text.strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ConfigError(f"the key {path} must hold 32 bytes in hex and nothing else")
    return seed
