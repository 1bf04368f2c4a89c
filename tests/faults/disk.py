"""A disk that loses power: from the shim's record of changes, any image that a crash may leave. Pure but for reading
the record and writing an image out.

What was synced is there. Of what was not, any part may be: each file's changes since its last sync, by sectors, in any
combination; creations, renames and removals since the folder's last sync up to any one of them. A failed sync promises
nothing, and what it should have saved may be lost even where a later sync succeeds.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from random import Random
from typing import Final

_HEAD = struct.Struct("<IBBHiIq")
SECTORS_BYTES: Final = (512, 4096)


class Operation(IntEnum):
    """As `enum operation` of the shim."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    SYNC_FOLDER = 5
    RENAME = 6
    UNLINK = 7
    SYNC_FAILED = 8


@dataclass(frozen=True, slots=True)
class Change:
    """One record. `end` is the size of the log with it: whoever saw the log that long was told after it."""

    operation: Operation
    name: str
    offset: int
    data: bytes
    end: int


class Survival(StrEnum):
    """Which of the unsynced changes an image has."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    """As when the process alone dies."""
    PREFIX = "prefix"
    """All up to one of them, which is torn."""
    WRITES = "writes"
    SECTORS = "sectors"


def read_log(path: Path) -> list[Change]:
    """Every whole record, in order."""
    return list(_records(path.read_bytes()))


def _records(data: bytes) -> Iterator[Change]:
    at = 0
    while at + _HEAD.size <= len(data):
        size, operation, _, name_bytes, _pid, data_bytes, offset = _HEAD.unpack_from(data, at)
        if at + size > len(data):
            return
        name_at = at + _HEAD.size
        body_at = name_at + name_bytes
        at += size
        name = data[name_at:body_at].decode()
        yield Change(Operation(operation), name, offset, data[body_at : body_at + data_bytes], at)


@dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Cut:
    size: int


_Unsynced = _Write | _Cut


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[_Unsynced] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name that came (`file`) or went (None)."""

    name: str
    file: _File | None


class Disk:
    """Takes changes in their order; `image` may be asked at any time."""

    def __init__(self, random: Random, start: Mapping[str, bytes] | None = None) -> None:
        """`start` is what was durable before the record began."""
        self._random = random
        self._names = {name: _File(bytearray(data)) for name, data in (start or {}).items()}
        self._durable_names = dict(self._names)
        self._entries: list[list[_Entry]] = []

    def take(self, change: Change) -> None:
        """One change of the record."""
        match change.operation:
            case Operation.CREATE:
                self._enter(_Entry(change.name, _File()))
            case Operation.WRITE:
                self._file(change.name).unsynced.append(_Write(change.offset, change.data))
            case Operation.TRUNCATE:
                self._file(change.name).unsynced.append(_Cut(change.offset))
            case Operation.SYNC:
                file = self._file(change.name)
                _apply(file.durable, file.unsynced)
                file.unsynced.clear()
            case Operation.SYNC_FOLDER:
                self._durable_names = dict(self._names)
                self._entries.clear()
            case Operation.RENAME:
                file = self._names[change.name]
                self._enter(_Entry(change.name, None), _Entry(change.data.decode(), file))
            case Operation.UNLINK:
                self._enter(_Entry(change.name, None))
            case Operation.SYNC_FAILED if change.name in self._names:
                file = self._file(change.name)
                file.unsynced = [one for one in file.unsynced if self._random.random() < 0.5]

    def image(self, survival: Survival) -> dict[str, bytes]:
        """The content of each file after a crash now."""
        names = dict(self._durable_names)
        steps = len(self._entries)
        kept = {Survival.NOTHING: 0, Survival.EVERYTHING: steps}.get(survival, self._random.randint(0, steps))
        for entries in self._entries[:kept]:
            _rename(names, entries)
        sector_bytes = self._random.choice(SECTORS_BYTES)
        return {name: self._content(file, survival, sector_bytes) for name, file in names.items()}

    def _file(self, name: str) -> _File:
        """A file that the record does not create was there before, empty as far as it matters."""
        if name not in self._names:
            self._names[name] = self._durable_names[name] = _File()
        return self._names[name]

    def _enter(self, *entries: _Entry) -> None:
        _rename(self._names, entries)
        self._entries.append(list(entries))

    def _content(self, file: _File, survival: Survival, sector_bytes: int) -> bytes:
        content = bytearray(file.durable)
        _apply(content, self._survivors(file.unsynced, survival, sector_bytes))
        return bytes(content)

    def _survivors(self, unsynced: Sequence[_Unsynced], survival: Survival, sector_bytes: int) -> Sequence[_Unsynced]:
        random = self._random
        match survival:
            case Survival.NOTHING:
                return ()
            case Survival.EVERYTHING:
                return unsynced
            case Survival.PREFIX:
                kept = list(unsynced[: random.randint(0, len(unsynced))])
                if kept and isinstance(last := kept[-1], _Write):
                    kept[-1:] = list(_sectors(last, sector_bytes))[: random.randint(0, len(last.data) // sector_bytes)]
                return kept
            case Survival.WRITES:
                share = random.random()
                return [one for one in unsynced if random.random() < share]
            case Survival.SECTORS:
                share = random.random()
                pieces = [piece for one in unsynced for piece in _sectors(one, sector_bytes)]
                return [piece for piece in pieces if random.random() < share]


def write_image(image: Mapping[str, bytes], folder: Path) -> None:
    """Lay an image out in an empty folder."""
    for name, content in image.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _rename(names: dict[str, _File], entries: Sequence[_Entry]) -> None:
    for entry in entries:
        if entry.file is None:
            names.pop(entry.name, None)
        else:
            names[entry.name] = entry.file


def _apply(content: bytearray, changes: Sequence[_Unsynced]) -> None:
    for change in changes:
        size = change.size if isinstance(change, _Cut) else change.offset + len(change.data)
        if len(content) < size:
            content.extend(bytes(size - len(content)))
        if isinstance(change, _Cut):
            del content[change.size :]
        else:
            content[change.offset : size] = change.data


def _sectors(change: _Unsynced, sector_bytes: int) -> Iterator[_Unsynced]:
    """A write in the pieces that a disk writes whole."""
    if isinstance(change, _Cut):
        yield change
        return
    at = change.offset
    end = at + len(change.data)
    while at < end:
        stop = min(end, (at // sector_bytes + 1) * sector_bytes)
        yield _Write(at, change.data[at - change.offset : stop - change.offset])
        at = stop
