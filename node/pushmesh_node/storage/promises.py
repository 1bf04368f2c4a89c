"""What receipts promise to keep, and what is left of that where receipts were lost to damage: nothing that may be owed
goes, and no number is given twice. Runs on the writer's thread."""

import sqlite3
from dataclasses import dataclass

from pushmesh_protocol.codec import Codec
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.receipts import SealWords

from .errors import StoreDamaged
from .sums import LATE_RECEIPTS, META, RECEIPTS, Damaged, Row, checked, first, with_sum

ALL_KEPT_UNTIL, GIVEN_NUMBER = "all_kept_until", "given_number"
"""Rows of `meta`: nothing that stood here before (ms) is pruned till then; the highest number that a lost seal had."""

NUMBERS_AHEAD = 1 << 20
"""No number of a seal is that far beyond the number of a commit: each commit has one seal, and most seals more
commits."""

WORDS: Codec[SealWords] = Codec(SealWords)
DATA: Codec[tuple[bytes, list[int], bytes]] = Codec(tuple[bytes, list[int], bytes])
"""Of the column `data`: the packed words, spans of commit numbers (first, how many), and the ids."""


_LAST_BEFORE = """SELECT first_commit, number FROM receipts
    WHERE first_commit < ? ORDER BY first_commit DESC LIMIT 1"""
# By number, as commits are in order there too: the unary plus keeps the index out of it.
_NEXT_BEGINS = """SELECT first_commit FROM receipts
    WHERE number > ? AND +first_commit NOT NULL ORDER BY number LIMIT 1"""


@dataclass(frozen=True, slots=True)
class _Seal:
    """What prune asks of one; `first_commit` is None where all that it covers came late."""

    first_commit: int | None
    last_commit: int
    kept_until: int


class Promises:
    """For one transaction: it remembers the seals that it has read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seals: dict[int, _Seal | None] = {}
        self.all_kept_until = _read(connection, ALL_KEPT_UNTIL)
        """Until when (ms) nothing at all may be pruned, since a receipt was lost; 0 where none was."""

    def kept_until(self, first_commit: int, end_commit: int) -> int:
        """Until when (ms) the items from `first_commit` to before `end_commit` may not be pruned; 0 for never promised.

        Raises Damaged; StoreDamaged where the way to the seal does not fit the seals."""
        until = self.all_kept_until
        number = self._last_before(end_commit)
        if number:
            seal = self._seal(number)
            if seal is not None and seal.last_commit >= first_commit:
                until = max(until, seal.kept_until)
        late = f"{LATE_RECEIPTS.select} WHERE commit_no >= ? AND commit_no < ?"
        for _commit_no, link in checked(LATE_RECEIPTS, self._connection.execute(late, (first_commit, end_commit))):
            seal = self._seal(link)
            until = until if seal is None else max(until, seal.kept_until)
        return until

    def _last_before(self, end_commit: int) -> int:
        """The number of the last seal that begins before a commit; 0 for none. An index has no sums, so the seal that
        it leads to and the next one have to begin where they should."""
        found = self._connection.execute(_LAST_BEFORE, (end_commit,)).fetchone() or (0, 0)
        first_commit, number = found
        seal = self._seal(number) if number else None
        (following,) = self._connection.execute(_NEXT_BEGINS, (number,)).fetchone() or (end_commit,)
        if (number and (seal is None or seal.first_commit != first_commit)) or following < end_commit:
            raise StoreDamaged("the index of receipts does not fit them")
        return int(number)

    def _seal(self, number: int) -> _Seal | None:
        if number not in self._seals:
            row = first(RECEIPTS, self._connection.execute(f"{RECEIPTS.select} WHERE number = ?", (number,)))
            self._seals[number] = None if row is None else _Seal(row[1], row[2], row[4])
        return self._seals[number]


def given_number(connection: sqlite3.Connection) -> int:
    """The highest number that a lost seal had, or may have had; 0 where none was lost. Raises Damaged."""
    return _read(connection, GIVEN_NUMBER)


def note_lost_row(connection: sqlite3.Connection, row: Row, now_ms: int, keep_ms: int) -> None:
    """A row of `receipts` is moved aside: remember its number, and keep everything as long as it can have promised.
    Inside the caller's transaction; `keep_ms` is what receipts promise now."""
    number = row[0] if isinstance(row[0], int) else 0
    until = _told_until(row)
    _note(connection, min(number, _highest_commit(connection) + NUMBERS_AHEAD), max(now_ms + keep_ms, until))


def note_lost_link(connection: sqlite3.Connection, now_ms: int, keep_ms: int) -> None:
    """The same for a row of `late_receipts`, which has no number of its own."""
    _note(connection, 0, now_ms + keep_ms)


def note_lost_seals(connection: sqlite3.Connection, now_ms: int, keep_ms: int) -> None:
    """The same where nobody knows which seals were lost: any number may have been given."""
    _note(connection, _highest_commit(connection) + NUMBERS_AHEAD, now_ms + keep_ms)


def _told_until(row: Row) -> int:
    """What the row says of its end, twice: of one that was changed the lower."""
    try:
        words, _spans, _ids = DATA.decode(row[5])
        inner = WORDS.decode(words).kept_until
    except (Refusal, TypeError):
        return 0
    return min(inner, row[4]) if isinstance(row[4], int) else inner


def _note(connection: sqlite3.Connection, number: int, until_ms: int) -> None:
    for name, value in ((GIVEN_NUMBER, number), (ALL_KEPT_UNTIL, until_ms)):
        if value > _read_whole(connection, name):
            connection.execute(f"{META.replace} VALUES (?, ?, ?)", with_sum((name, value)))


def _read(connection: sqlite3.Connection, name: str) -> int:
    row = first(META, connection.execute(f"{META.select} WHERE name = ?", (name,)))
    return 0 if row is None else int(row[1])


def _read_whole(connection: sqlite3.Connection, name: str) -> int:
    """0 for a damaged row too: more may be damaged than what is being moved aside."""
    try:
        return _read(connection, name)
    except Damaged:
        return 0


def _highest_commit(connection: sqlite3.Connection) -> int:
    sql = "SELECT first_commit + count - 1 FROM items ORDER BY first_commit DESC LIMIT 1"
    (held,) = connection.execute(sql).fetchone() or (0,)
    return max(int(held), _read_whole(connection, "last_commit"))
