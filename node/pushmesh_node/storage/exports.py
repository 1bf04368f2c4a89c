"""An export: everything public that a store holds, in one file that any node of the network can take over.

`PMEXPORT`, then entries of u32 length, u32 CRC-32 and that many bytes, all big-endian, each MessagePack: first
[0, format, network id, created ms, incarnation], then [1, frame] in commit order, at last [2, frames, SHA-256 of
everything before this entry]. A frame stands by itself; who imports it checks it like one from a peer.
"""

import hashlib
import os
import sqlite3
import struct
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import msgspec

from .copies import Progress, open_reading
from .errors import StoreDamaged, StoreError, describe, is_fault_of_the_world
from .files import check_tables, mark_of
from .salvage import sync
from .sums import ITEMS, META, Damaged, first, is_intact

MAGIC = b"PMEXPORT"
FORMAT = 1
MAX_ENTRY_BYTES = 1 << 20
PAGE_ITEMS = 256

_HEAD = struct.Struct(">II")
_encode = msgspec.msgpack.encode


class ExportError(Exception):
    """The file is not a whole export of this network; the message is one sentence for an operator."""


class _Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all entries: `[tag, fields...]`."""


class ExportHead(_Entry, frozen=True, tag=0):
    """What an export says of itself."""

    format: int
    network_id: bytes
    created_ms: int
    incarnation: bytes


class ExportedFrame(_Entry, frozen=True, tag=1):
    """One item."""

    frame: bytes


class ExportEnd(_Entry, frozen=True, tag=2):
    """How many frames there were, and SHA-256 of everything before this entry."""

    frames: int
    digest: bytes


Entry = ExportHead | ExportedFrame | ExportEnd
_decode = msgspec.msgpack.Decoder(Entry).decode


def write_export(store: Path, target: Path, network_id: bytes, now_ms: int, progress: Progress) -> tuple[int, int]:
    """Write all items of a store, beside a running node; returns frames and bytes. Raises StoreError. A damaged record
    is left out."""
    if target.exists():
        raise StoreError(f"{target} is there already: an export overwrites nothing")
    part = target.with_name(target.name + ".part")
    try:
        with open_reading(store) as connection, part.open("wb") as file:
            connection.execute("BEGIN")
            incarnation = _incarnation(connection, store)
            (last,) = connection.execute("SELECT coalesce(max(first_commit), 0) FROM items").fetchone()
            out = ExportWriter(file)
            out.put(ExportHead(FORMAT, network_id, now_ms, incarnation))
            for number, frame in _frames(connection):
                out.put(ExportedFrame(frame))
                progress(number, last)
            frames = out.entries - 1
            out.put(ExportEnd(frames, out.digest.digest()))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
        sync(target.absolute().parent)
    except StoreDamaged as error:
        with suppress(OSError):
            mark_of(store).write_text(f"{error.reason}\n")
        raise StoreError(
            f"the store {store} is damaged, so that no export was made: {error.reason}; the next start of its node "
            "salvages it"
        ) from error
    except OSError as error:
        raise StoreError(f"the export {target} cannot be written: {describe(error)}") from error
    except sqlite3.Error as error:
        if not is_fault_of_the_world(error):
            raise
        raise StoreError(f"the store {store} cannot be read: {describe(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return frames, target.stat().st_size


class ExportWriter:
    """Entries one after the other, and the digest over all so far."""

    def __init__(self, file: BinaryIO) -> None:
        self.entries = 0
        self.digest = hashlib.sha256(MAGIC)
        self._file = file
        file.write(MAGIC)

    def put(self, entry: Entry) -> None:
        """The head first, the end last."""
        data = _encode(entry)
        framed = _HEAD.pack(len(data), crc32(data)) + data
        self._file.write(framed)
        self.digest.update(framed)
        self.entries += 1


def _incarnation(connection: sqlite3.Connection, store: Path) -> bytes:
    try:
        check_tables(connection)
        row = first(META, connection.execute(f"{META.select} WHERE name = 'incarnation'"))
    except (Damaged, StoreDamaged):
        row = None
    if row is None:
        raise StoreError(f"the store {store} is damaged: start a node on it once, which salvages it")
    return bytes(row[1])


def _frames(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
    """All that are whole, each with its commit number. Raises StoreDamaged where pages lead back to what was read
    before: such a way has no end."""
    sql = f"{ITEMS.select} WHERE first_commit > ? ORDER BY first_commit LIMIT {PAGE_ITEMS}"
    after = 0
    while rows := connection.execute(sql, (after,)).fetchall():
        whole = [row for row in rows if is_intact(row)]
        for row in whole or rows[-1:]:  # a damaged row may stand under a number that is not its own
            if row[0] <= after:
                raise StoreDamaged(f"its pages lead from record {after} back to record {row[0]}")
            after = row[0]
        yield from ((row[0], row[-2]) for row in whole if row[7] is None)


def read_head(path: Path) -> ExportHead:
    """Raises ExportError."""
    entries = _entries(path)
    try:
        return _head(path, next(entries)[0])
    finally:
        entries.close()


def read_frames(path: Path) -> Iterator[tuple[bytes, int]]:
    """The frames, each with the place behind it in the file; the sum over the whole stands at the end, so that a file
    is right only where this ends without ExportError."""
    entries = _entries(path)
    _head(path, next(entries)[0])
    frames = 0
    for entry, digest, place in entries:
        match entry:
            case ExportedFrame(frame):
                frames += 1
                yield frame, place
            case ExportEnd() if entry == ExportEnd(frames, digest):
                return
            case _:
                raise ExportError(f"{path} is damaged: its end does not fit what stands before it")
    raise ExportError(f"{path} is cut off after {frames} frames")


def _head(path: Path, entry: Entry | None) -> ExportHead:
    if isinstance(entry, ExportHead) and entry.format == FORMAT:
        return entry
    raise ExportError(f"{path} is an export of a format that this version does not know")


def _entries(path: Path) -> Generator[tuple[Entry | None, bytes, int], None, None]:
    """Each entry (None for what is none) with the digest of all before it, and the place behind it. Raises
    ExportError."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ExportError(f"{path} is not an export of pushmesh")
            digest = hashlib.sha256(MAGIC)
            number = 0
            while head := file.read(_HEAD.size):
                number += 1
                length, told = _HEAD.unpack(head) if len(head) == _HEAD.size else (MAX_ENTRY_BYTES + 1, 0)
                data = file.read(length) if length <= MAX_ENTRY_BYTES else b""
                if len(data) != length or crc32(data) != told:
                    raise ExportError(f"{path} is damaged or cut off at its entry {number}")
                yield _entry(data), digest.digest(), file.tell()
                digest.update(head + data)
            if not number:
                raise ExportError(f"{path} is cut off at its beginning")
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {describe(error)}") from error


def _entry(data: bytes) -> Entry | None:
    """By its type: what a stranger nests as deep as he likes is not even looked at."""
    try:
        entry: Entry = _decode(data)
    except msgspec.DecodeError:
        return None
    return entry
