"""The chain of receipts: what a transaction acknowledges is sealed in it, under the next number (SPEC 12.3).

Seals are kept unsigned: Ed25519 signs one text in one way, so whoever has the key signs them when somebody asks."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.levels import DURABLE
from pushmesh_protocol.network import Network
from pushmesh_protocol.receipts import CLOCK_IS_OFF, MAX_LEAVES, NO_PREVIOUS, SealWords, seal_hash
from pushmesh_protocol.tree import root_of

from ..engine.records import ReceiptWish, Record, StoredSeal
from . import bulk

HASH_BYTES = 32

KEPT_UNTIL = """coalesce((SELECT CASE WHEN r.last_commit >= {first} THEN r.kept_until END FROM receipts r
    WHERE r.first_commit < {end} ORDER BY r.first_commit DESC LIMIT 1), 0)"""
"""SQL: until when (ms) nothing of the items from `first` to before `end` may be pruned because a receipt says so; 0 for
never promised. Beside it `late_kept_until`, which is for the few that got their receipt long after their commit."""

LATE_KEPT_UNTIL = """coalesce((SELECT max(r.kept_until) FROM late_receipts l JOIN receipts r ON r.number = l.number
    WHERE l.commit_no >= {first} AND l.commit_no < {end}), 0)"""

_INSERT = "INSERT INTO receipts (number, first_commit, last_commit, ends_at, kept_until, data)"
_WORDS: Codec[SealWords] = Codec(SealWords)
_DATA: Codec[tuple[bytes, list[int], bytes]] = Codec(tuple[bytes, list[int], bytes])

Row = tuple[int, int | None, int, int, int, bytes]
"""(number, first commit or None where all came late, last commit, ends-at, kept-until, data)."""

Leaf = tuple[int, bytes, int]
"""(commit number, id, expires-at) of one envelope."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose word the seals are. `clock` gives Unix ms; a seal promises to keep for `keep_ms`."""

    network: Network
    node_id: bytes
    keep_ms: int
    clock: Callable[[], int]


class ReceiptChain:
    """The end of the chain. Belongs to the writer's thread, but for `clock_is_off`, which anybody may set."""

    def __init__(self, issuer: Issuer, incarnation: bytes, last: SealWords | None) -> None:
        self.clock_is_off = False
        self._issuer = issuer
        self._incarnation = incarnation
        self._number = 0 if last is None else last.number
        self._head = NO_PREVIOUS if last is None else seal_hash(issuer.network, last)

    def seal(self, leaves: Sequence[Leaf], after: Sequence[StoredSeal] = ()) -> list[StoredSeal]:
        """The next seals over these envelopes, behind those that this transaction has already; not part of the chain
        until `sealed`."""
        issuer = self._issuer
        now_ms = issuer.clock()
        number, head = self._number, self._head
        if after:
            number, head = after[-1].words.number, seal_hash(issuer.network, after[-1].words)
        seals = []
        for start in range(0, len(leaves), MAX_LEAVES):
            part = leaves[start : start + MAX_LEAVES]
            ids = [id_ for _, id_, _ in part]
            number += 1
            words = SealWords(
                node_id=issuer.node_id,
                chain=self._incarnation,
                number=number,
                previous=head,
                level=DURABLE,
                time=now_ms,
                kept_until=now_ms + issuer.keep_ms,
                flags=CLOCK_IS_OFF if self.clock_is_off else 0,
                count=len(part),
                root=root_of(ids),
            )
            head = seal_hash(issuer.network, words)
            ends_at = max([expires_at for _, _, expires_at in part])
            seals.append(StoredSeal(words, [commit_no for commit_no, _, _ in part], ids, ends_at))
        return seals

    def sealed(self, seals: Sequence[StoredSeal]) -> None:
        """These are durable."""
        if seals:
            self._number = seals[-1].words.number
            self._head = seal_hash(self._issuer.network, seals[-1].words)


def read_chain(connection: sqlite3.Connection, issuer: Issuer, incarnation: bytes) -> ReceiptChain:
    """The chain where the store left it. After a restore its seals have another incarnation, and it goes on."""
    row = connection.execute("SELECT data FROM receipts ORDER BY number DESC LIMIT 1").fetchone()
    return ReceiptChain(issuer, incarnation, None if row is None else _seal_of(row[0]).words)


def leaves_of(records: Iterable[Record]) -> list[Leaf]:
    """What publishers are told of: each envelope that was published here."""
    return [
        (commit_no, id_, record.expires_at)
        for record in records
        if record.published
        for commit_no, id_ in enumerate(record.ids, record.first_commit)
    ]


def row_of(seal: StoredSeal, *, late: bool = False) -> Row:
    """A seal as a row; `late`: what it covers was committed long before."""
    words = seal.words
    data = pack((pack(words), _spans(seal.commits), b"".join(seal.ids)))
    first = None if late else seal.commits[0]
    return words.number, first, 0 if late else seal.commits[-1], seal.ends_at, words.kept_until, data


def _spans(commits: Sequence[int]) -> list[int]:
    """Numbers in a row as pairs: first, how many."""
    spans: list[int] = []
    for commit_no in commits:
        if spans and commit_no == spans[-2] + spans[-1]:
            spans[-1] += 1
        else:
            spans += (commit_no, 1)
    return spans


def write_seals(
    connection: sqlite3.Connection, sealing: ReceiptChain, records: Iterable[Record], wishes: Sequence[ReceiptWish]
) -> list[StoredSeal]:
    """Seal what this transaction stores for publishers, and what they ask about that came another way."""
    fresh = leaves_of(records)
    late = _unsealed(connection, wishes, {commit_no for commit_no, _, _ in fresh})
    seals = sealing.seal(fresh)
    bulk.insert(connection, _INSERT, [row_of(seal) for seal in seals])
    if late:  # rare, so they have a seal of their own
        others = sealing.seal([(wish.commit_no, wish.id, wish.expires_at) for wish in late], seals)
        bulk.insert(connection, _INSERT, [row_of(seal, late=True) for seal in others])
        rows = [(commit_no, seal.words.number) for seal in others for commit_no in seal.commits]
        bulk.insert(connection, "INSERT INTO late_receipts", rows)
        seals += others
    return seals


def _unsealed(connection: sqlite3.Connection, wishes: Sequence[ReceiptWish], fresh: set[int]) -> list[ReceiptWish]:
    """Those without a receipt, each once: two publishers may ask at the same time."""
    known = set(fresh)
    found = []
    for wish in wishes:
        if wish.commit_no not in known and not find_seals(connection, [wish.commit_no]):
            found.append(wish)
        known.add(wish.commit_no)
    return found


def find_seals(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> list[StoredSeal]:
    """The seals that cover any of these commit numbers, each once."""
    found: dict[int, StoredSeal] = {}
    covered: set[int] = set()
    for commit_no in commit_nos:
        if commit_no in covered:
            continue
        for row in chain(_fresh(connection, commit_no), _late(connection, commit_no)):
            seal = _seal_of(row[0])
            if commit_no in seal.commits:
                found[seal.words.number] = seal
                covered.update(seal.commits)
                break
    return list(found.values())


def _fresh(connection: sqlite3.Connection, commit_no: int) -> Iterator[Any]:
    sql = """SELECT data FROM receipts WHERE first_commit <= ?1 ORDER BY first_commit DESC LIMIT 1"""
    return iter(connection.execute(sql, (commit_no,)).fetchall())


def _late(connection: sqlite3.Connection, commit_no: int) -> Iterator[Any]:
    sql = "SELECT r.data FROM late_receipts l JOIN receipts r ON r.number = l.number WHERE l.commit_no = ?"
    return iter(connection.execute(sql, (commit_no,)).fetchall())


def seals_after(connection: sqlite3.Connection, number: int, limit: int) -> list[SealWords]:
    """Seals that are still kept, by number; the last one of the chain always is."""
    sql = "SELECT data FROM receipts WHERE number > ? ORDER BY number LIMIT ?"
    return [_seal_of(data).words for (data,) in connection.execute(sql, (number, limit))]


def kept_until(connection: sqlite3.Connection, first_commit: int, end_commit: int) -> int:
    """Until when (ms) the items from `first_commit` to before `end_commit` may not be pruned; 0 for never promised."""
    first, end = "?1", "?2"
    sql = f"SELECT max({KEPT_UNTIL.format(first=first, end=end)}, {LATE_KEPT_UNTIL.format(first=first, end=end)})"
    (until,) = connection.execute(sql, (first_commit, end_commit)).fetchone()
    return int(until)


def _seal_of(data: bytes) -> StoredSeal:
    words, spans, ids = _DATA.decode(data)
    commits = [
        commit_no
        for first, count in zip(spans[::2], spans[1::2], strict=True)
        for commit_no in range(first, first + count)
    ]
    return StoredSeal(
        _WORDS.decode(words), commits, [ids[i : i + HASH_BYTES] for i in range(0, len(ids), HASH_BYTES)], 0
    )
