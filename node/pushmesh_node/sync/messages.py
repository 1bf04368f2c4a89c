"""Messages of Negentropy V1: a version byte, then ranges that cover everything, each from where the last one ended."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from .faults import BadMessage, Fault
from .keys import END, ID_BYTES, MAX_TIMESTAMP, START, TIME_BYTES, id_of, timestamp_of
from .sums import FINGERPRINT_BYTES
from .varints import read_varint, varint

VERSION: Final = b"\x61"
_VERSIONS: Final = range(0x60, 0x70)

MAX_RANGES: Final = 98_304
"""Of one message, and of all that come in one word: of 1 MiB, 95,000 can say something. More would be work for nothing,
at three bytes each."""


class Mode(IntEnum):
    """What a range says."""

    SKIP = 0
    """Nothing: the sender is done with it."""
    FINGERPRINT = 1
    """The fingerprint of the sender's records in it."""
    ID_LIST = 2
    """The ids of all of them."""


class Range(NamedTuple):
    """The records below `bound` and not below the bound of the range before.

    `payload`: the fingerprint, or ids one behind the other."""

    bound: bytes
    mode: int
    payload: bytes


def read_version(message: bytes) -> bool:
    """Whether it is of this version, the only one spoken here. Raises BadMessage if it is of none."""
    if not message or message[0] not in _VERSIONS:
        raise BadMessage(Fault.NOT_NEGENTROPY)
    return message[:1] == VERSION


def a_word_of_ranges() -> Iterator[int]:
    """What `read_ranges` counts by: one for all messages that came together."""
    return iter(range(MAX_RANGES))


def read_ranges(message: bytes, numbers: Iterator[int] | None = None) -> Iterator[Range]:
    """Of a message of this version, each read when it is asked for. Raises BadMessage then, `oversize` where there are
    more than numbers."""
    at, last, timestamp = len(VERSION), START, 0
    numbers = a_word_of_ranges() if numbers is None else numbers
    while at < len(message):
        if next(numbers, None) is None:
            raise BadMessage(Fault.OVERSIZE)
        if last == END:
            raise BadMessage(Fault.BOUND)
        bound, at = _read_bound(message, at, timestamp)
        if bound < last:
            raise BadMessage(Fault.BOUND)
        mode, at = read_varint(message, at)
        size = 0
        if mode == Mode.FINGERPRINT:
            size = FINGERPRINT_BYTES
        elif mode == Mode.ID_LIST:
            count, at = read_varint(message, at)
            size = count * ID_BYTES
        elif mode != Mode.SKIP:
            raise BadMessage(Fault.MODE)
        if size > len(message) - at:
            raise BadMessage(Fault.TRUNCATED)
        yield Range(bound, mode, message[at : at + size])
        at += size
        last, timestamp = bound, timestamp_of(bound)


def _read_bound(message: bytes, at: int, timestamp: int) -> tuple[bytes, int]:
    """The bound that begins at `at`, after one of this timestamp, and where it ends."""
    step, at = read_varint(message, at)
    size, at = read_varint(message, at)
    if size > ID_BYTES:
        raise BadMessage(Fault.BOUND)
    prefix = message[at : at + size]
    if len(prefix) < size:
        raise BadMessage(Fault.TRUNCATED)
    at += size
    if step == 0:
        if prefix:
            raise BadMessage(Fault.BOUND)
        return END, at
    timestamp += step - 1
    if timestamp > MAX_TIMESTAMP:
        raise BadMessage(Fault.BOUND)
    # Without zeros at its end there is one way to write a bound, so that bounds compare as bytes.
    return timestamp.to_bytes(TIME_BYTES, "big") + prefix.rstrip(b"\0"), at


class Writer:
    """Puts ranges behind each other; those that are skipped it joins, and leaves out at the end."""

    def __init__(self) -> None:
        self._data = bytearray(VERSION)
        self._timestamp = 0
        self._covered = START
        self._skipped = START

    @property
    def size(self) -> int:
        """Bytes so far."""
        return len(self._data)

    def message(self) -> bytes:
        """What was written, the version byte at least."""
        return bytes(self._data)

    def skip(self, bound: bytes) -> None:
        """Nothing to say about what is below the bound."""
        self._skipped = bound

    def fingerprint(self, bound: bytes, fingerprint: bytes) -> None:
        """A range with a fingerprint, up to the bound."""
        self._end_range(bound, Mode.FINGERPRINT)
        self._data += fingerprint

    def id_list(self, bound: bytes, ids: bytes) -> None:
        """A range with all its ids, up to the bound."""
        self._end_range(bound, Mode.ID_LIST)
        self._data += varint(len(ids) // ID_BYTES)
        self._data += ids

    def _end_range(self, bound: bytes, mode: Mode) -> None:
        if self._skipped > self._covered:
            self._put_bound(self._skipped)
            self._data += varint(Mode.SKIP)
        self._put_bound(bound)
        self._data += varint(mode)
        self._covered = self._skipped = bound

    def _put_bound(self, bound: bytes) -> None:
        if bound == END:
            self._data += b"\0\0"
            return
        timestamp, prefix = timestamp_of(bound), id_of(bound)
        self._data += varint(timestamp - self._timestamp + 1)
        self._data += varint(len(prefix))
        self._data += prefix
        self._timestamp = timestamp
