"""Negentropy V1: two peers find out which records one has and the other lacks, by fingerprints of ranges that are split
where they differ. The initiator learns the difference; the responder keeps nothing between two messages.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .fan_out import FanOut
from .faults import BadMessage, Fault
from .index import Records
from .keys import END, ID_BYTES, MAX_TIMESTAMP, START, bound_at, shortest_bound
from .messages import VERSION, Mode, Range, Writer, read_ranges, read_version

MIN_MESSAGE_BYTES: Final = 4096
"""With less, a session may come to no end."""

_BOUND_BYTES: Final = 10 + 1 + ID_BYTES
_ENDING_BYTES: Final = 2 * (_BOUND_BYTES + 1) + 16
"""Kept free for a skipped range and the fingerprint of all that is left."""
_RANGE_BYTES: Final = _BOUND_BYTES + 1 + 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may cost."""

    message_bytes: int = 1 << 20
    """Of a message, read or written."""
    lacking: int | None = 32_768
    """So many ids that the peer lacks are collected from one message; those after them come in later rounds. None:
    they are not asked about, and not collected."""
    rounds: int = 4096
    """Questions of one session."""


class Gap(NamedTuple):
    """Ids that the peer says it has between two bounds, the upper one exclusive, and we have not."""

    lower: bytes
    upper: bytes
    ids: list[bytes]


@dataclass(slots=True)
class Difference:
    """What one message told. An id can be told again by a later one if a message came to its limit."""

    peer_lacks: list[bytes] = field(default_factory=list)
    """Ids that we have."""
    gaps: list[Gap] = field(default_factory=list)
    """Claims, until the peer sends what the ids stand for."""

    @property
    def we_lack(self) -> list[bytes]:
        """The ids of all gaps."""
        return [record_id for gap in self.gaps for record_id in gap.ids]


def respond(
    records: Records,
    message: bytes,
    fan_out: FanOut,
    limits: Limits,
    room_bytes: int | None = None,
    numbers: Iterator[int] | None = None,
) -> bytes:
    """What a responder answers: the version byte alone where nothing is left to say.

    A message of another version is answered with the version byte too, so that its sender can ask again in this one.
    `room_bytes` is the most that the answer may have, if that is less than the limit; with less than MIN_MESSAGE_BYTES
    it may be but the fingerprint of what was asked about. `numbers` are those of `read_ranges`. Raises BadMessage.
    """
    if not _readable(message, limits):
        return VERSION
    room_bytes = limits.message_bytes if room_bytes is None else min(room_bytes, limits.message_bytes)
    turn = _Turn(records, fan_out, room_bytes)
    for part in read_ranges(message, numbers):
        if not (turn.list_ours(part.bound) if part.mode == Mode.ID_LIST else turn.compare(part)):
            break
    return turn.message()


class Initiator:
    """Asks until it knows the difference. The records may change between two messages, not within one."""

    def __init__(self, records: Records, fan_out: FanOut, limits: Limits, from_timestamp: int = 0) -> None:
        """Records of an earlier timestamp than `from_timestamp` are left out, the peer's as well as ours. Raises
        ValueError for one that no record can have."""
        if not 0 <= from_timestamp <= MAX_TIMESTAMP:
            raise ValueError(f"no record has the timestamp {from_timestamp}")
        self._records = records
        self._fan_out = fan_out
        self._limits = limits
        self._start = bound_at(from_timestamp)
        self._rounds = 0

    def open(self, split: bool = True, room_bytes: int | None = None) -> bytes:
        """The first message. Without `split` it is one fingerprint, about 20 bytes: for a set that is thought to be
        the same, as it costs half a round trip if it is not."""
        turn = _Turn(self._records, self._fan_out, self._room(room_bytes))
        turn.skip(self._start)
        if split:
            turn.split(END)
        else:
            turn.leave()
        return turn.message()

    def receive(
        self, message: bytes, room_bytes: int | None = None, numbers: Iterator[int] | None = None
    ) -> tuple[Difference, bytes | None]:
        """What an answer tells, and the next question; None: the difference is known.

        Raises BadMessage, also after more rounds than the limit.
        """
        self._rounds += 1
        if self._rounds > self._limits.rounds:
            raise BadMessage(Fault.TOO_MANY_ROUNDS)
        if not _readable(message, self._limits):
            raise BadMessage(Fault.UNSUPPORTED_VERSION)
        difference = Difference()
        turn = _Turn(self._records, self._fan_out, self._room(room_bytes))
        for part in read_ranges(message, numbers):
            if part.mode == Mode.ID_LIST:
                within = turn.learn(part, difference, self._limits.lacking)
            else:
                within = turn.compare(part)
            if not within:
                break
        question = turn.message()
        return difference, None if question == VERSION else question

    def _room(self, room_bytes: int | None) -> int:
        return self._limits.message_bytes if room_bytes is None else min(room_bytes, self._limits.message_bytes)


def _readable(message: bytes, limits: Limits) -> bool:
    if len(message) > limits.message_bytes:
        raise BadMessage(Fault.OVERSIZE)
    return read_version(message)


class _Turn:
    """Walks through the ranges of one message and writes the next one.

    Where that comes to its limit, all that is left becomes one range with our fingerprint, and the methods say False.
    """

    def __init__(self, records: Records, fan_out: FanOut, room_bytes: int) -> None:
        self._records = records
        self._fan_out = fan_out
        self._room_bytes = room_bytes - _ENDING_BYTES
        self._writer = Writer()
        self._bound = START
        self._position = 0
        """How many records are below that bound."""

    def message(self) -> bytes:
        return self._writer.message()

    def skip(self, bound: bytes) -> None:
        self._pass(bound, self._records.position(bound))
        self._writer.skip(bound)

    def _pass(self, bound: bytes, position: int) -> None:
        self._bound, self._position = bound, position

    def compare(self, part: Range) -> bool:
        """A range that the peer skips, or of which it told the fingerprint."""
        if part.mode == Mode.SKIP:
            self.skip(part.bound)
            return True
        upper = self._records.position(part.bound)
        if self._records.fingerprint(self._position, upper) != part.payload:
            return self._split(part.bound, upper)
        self._pass(part.bound, upper)
        self._writer.skip(part.bound)
        return True

    def split(self, bound: bytes) -> bool:
        """What is below the bound, as fingerprints or as a list."""
        return self._split(bound, self._records.position(bound))

    def _split(self, bound: bytes, upper: int) -> bool:
        count = upper - self._position
        ways = self._fan_out.ways(count)
        if ways == 1:
            return self._list(bound, upper)
        if self._writer.size + ways * _RANGE_BYTES > self._room_bytes:
            return self.leave()
        low = self._position
        for way in range(1, ways + 1):
            high = self._position + count * way // ways
            end = bound if way == ways else shortest_bound(self._records.key(high - 1), self._records.key(high))
            self._writer.fingerprint(end, self._records.fingerprint(low, high))
            low = high
        self._pass(bound, upper)
        return True

    def list_ours(self, bound: bytes) -> bool:
        """The peer told its ids below the bound: tell ours, all of them, since the initiator is who compares."""
        return self._list(bound, self._records.position(bound))

    def _list(self, bound: bytes, upper: int) -> bool:
        """Our ids below the bound, or as many as there is room for."""
        room = (self._room_bytes - self._writer.size - _RANGE_BYTES) // ID_BYTES
        cut = upper
        if upper - self._position > room:
            cut = self._position + room
            if room <= 0:
                return self.leave()
            bound = shortest_bound(self._records.key(cut - 1), self._records.key(cut))
        self._writer.id_list(bound, b"".join(self._records.ids(self._position, cut)))
        self._pass(bound, cut)
        return cut == upper or self.leave()

    def learn(self, part: Range, difference: Difference, most_lacking: int | None) -> bool:
        """The peer told its ids: those that only one of us has are the difference."""
        upper = self._records.position(part.bound)
        theirs = dict.fromkeys(_each(part.payload))
        cut = upper
        if most_lacking is not None:
            cut = self._lacking(upper, theirs, difference.peer_lacks, most_lacking)
        for ours in self._records.ids(self._position, upper):
            for record_id in _each(ours):
                theirs.pop(record_id, None)
        if theirs:
            difference.gaps.append(Gap(self._bound, part.bound, list(theirs)))
        if cut == self._position < upper:
            return self.leave()
        bound = part.bound if cut == upper else shortest_bound(self._records.key(cut - 1), self._records.key(cut))
        self._pass(bound, cut)
        self._writer.skip(bound)
        return cut == upper or self.leave()

    def _lacking(self, upper: int, theirs: Container[bytes], lacking: list[bytes], most: int) -> int:
        """Collects our ids below `upper` that are not among theirs; the position up to which that was all of them."""
        position = self._position
        for ours in self._records.ids(position, upper):
            for record_id in _each(ours):
                if record_id not in theirs:
                    if len(lacking) == most:
                        return position
                    lacking.append(record_id)
                position += 1
        return upper

    def leave(self) -> bool:
        """No room for more, or no wish: what is left is one range with our fingerprint."""
        self._writer.fingerprint(END, self._records.fingerprint(self._position, len(self._records)))
        return False


def _each(ids: bytes) -> Iterator[bytes]:
    return (ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))
