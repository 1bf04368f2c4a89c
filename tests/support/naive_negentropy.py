"""Negentropy V1 once more, as plainly as its text can be read: sorted lists, sixteen ways, lists of up to 31 ids, no
limits. The twin of pushmesh_node.sync, which shares no line with it."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable

Record = tuple[int, bytes]
Bound = tuple[int, bytes]

INFINITY = 2**64 - 1
SKIP, FINGERPRINT, ID_LIST = 0, 1, 2


def number_bytes(number: int) -> bytes:
    digits: list[int] = []
    while True:
        digits.insert(0, number % 128)
        number //= 128
        if number == 0:
            break
    return bytes([digit + 128 for digit in digits[:-1]] + digits[-1:])


def fingerprint(ids: Iterable[bytes]) -> bytes:
    total, count = 0, 0
    for each in ids:
        total, count = total + int.from_bytes(each, "little"), count + 1
    return hashlib.sha256((total % 2**256).to_bytes(32, "little") + number_bytes(count)).digest()[:16]


class Parts:
    """A message taken apart: (bound, mode, fingerprint or ids)."""

    def __init__(self, message: bytes) -> None:
        assert message[0] == 0x61
        self._rest = message[1:]
        self.ranges: list[tuple[Bound, int, bytes | list[bytes] | None]] = []
        timestamp = 0
        while self._rest:
            offset = self._number()
            if offset == 0:
                timestamp = INFINITY
            else:
                timestamp += offset - 1
            bound = (timestamp, self._bytes(self._number()))
            mode = self._number()
            if mode == FINGERPRINT:
                self.ranges.append((bound, mode, self._bytes(16)))
            elif mode == ID_LIST:
                self.ranges.append((bound, mode, [self._bytes(32) for _ in range(self._number())]))
            else:
                assert mode == SKIP
                self.ranges.append((bound, mode, None))

    def _number(self) -> int:
        number = 0
        while True:
            digit = self._bytes(1)[0]
            number = number * 128 + digit % 128
            if digit < 128:
                return number

    def _bytes(self, count: int) -> bytes:
        taken, self._rest = self._rest[:count], self._rest[count:]
        assert len(taken) == count
        return taken


def put_together(ranges: list[tuple[Bound, int, bytes | list[bytes] | None]]) -> bytes:
    message, last = b"\x61", 0
    for (timestamp, prefix), mode, payload in ranges:
        if timestamp == INFINITY:
            message += number_bytes(0)
        else:
            message += number_bytes(timestamp - last + 1)
            last = timestamp
        message += number_bytes(len(prefix)) + prefix + number_bytes(mode)
        if isinstance(payload, list):
            message += number_bytes(len(payload)) + b"".join(payload)
        elif payload is not None:
            message += payload
    return message


class NaivePeer:
    """One that holds these records and speaks V1."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = sorted(records)
        self.peer_lacks: set[bytes] = set()
        self.we_lack: set[bytes] = set()

    def open(self) -> bytes:
        return put_together(self._split(self.records, (INFINITY, b"")))

    def answer(self, message: bytes) -> bytes:
        """As the responder."""
        return put_together(self._next(message, learns=False))

    def receive(self, message: bytes) -> bytes | None:
        """As the initiator; None at the end."""
        ranges = self._next(message, learns=True)
        return put_together(ranges) if any(mode != SKIP for _, mode, _ in ranges) else None

    def _next(self, message: bytes, learns: bool) -> list[tuple[Bound, int, bytes | list[bytes] | None]]:
        out: list[tuple[Bound, int, bytes | list[bytes] | None]] = []
        low = 0
        for bound, mode, payload in Parts(message).ranges:
            high = bisect_left(self.records, bound)
            mine = self.records[low:high]
            ids = [each for _, each in mine]
            low = high
            if mode == FINGERPRINT and payload != fingerprint(ids):
                out += self._split(mine, bound)
            elif isinstance(payload, list) and learns:
                self.peer_lacks |= set(ids) - set(payload)
                self.we_lack |= set(payload) - set(ids)
                out.append((bound, SKIP, None))
            elif isinstance(payload, list):
                out.append((bound, ID_LIST, ids))
            else:
                out.append((bound, SKIP, None))
        return out

    def _split(self, mine: list[Record], upper: Bound) -> list[tuple[Bound, int, bytes | list[bytes] | None]]:
        if len(mine) < 32:
            return [(upper, ID_LIST, [each for _, each in mine])]
        ranges: list[tuple[Bound, int, bytes | list[bytes] | None]] = []
        size, more = divmod(len(mine), 16)
        low = 0
        for way in range(16):
            high = low + size + (way < more)
            bound = upper if high == len(mine) else between(mine[high - 1], mine[high])
            ranges.append((bound, FINGERPRINT, fingerprint([each for _, each in mine[low:high]])))
            low = high
        return ranges


def between(below: Record, above: Record) -> Bound:
    """The shortest bound that parts the two."""
    if below[0] != above[0]:
        return above[0], b""
    size = next(size for size in range(1, 33) if below[1][:size] != above[1][:size])
    return above[0], above[1][:size]
