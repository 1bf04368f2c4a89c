"""The chain of receipts: what a transaction acknowledges is sealed in it, under the next number (SPEC 12.3).

Seals are kept unsigned: Ed25519 signs one text in one way, so whoever has the key signs them when somebody asks."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.codec import pack
from pushmesh_protocol.levels import DURABLE
from pushmesh_protocol.network import Network
from pushmesh_protocol.receipts import CLOCK_IS_OFF, MAX_LEAVES, NO_PREVIOUS, SealWords, seal_hash
from pushmesh_protocol.tree import root_of

from ..engine.records import ReceiptWish, Record, StoredSeal
from . import bulk
from .items import expiries
from .promises import DATA, WORDS, given_number
from .sums import LATE_RECEIPTS, RECEIPTS, checked, first, sum_of, with_sum

HASH_BYTES = 32

Row = tuple[int, int | None, int, int, int, bytes, int]
"""(number, first commit or None where all came late, last commit, ends-at, kept-until, data, sum)."""

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

    def __init__(self, issuer: Issuer, incarnation: bytes, last_number: int = 0, head: bytes = NO_PREVIOUS) -> None:
        """`head` is the hash of the last seal, where there is one that the next can name."""
        self.clock_is_off = False
        self._issuer = issuer
        self._incarnation = incarnation
        self._number = last_number
        self._head = head

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


def read_chain(connection: sqlite3.Connection, issuer: Issuer, incarnation: bytes, last_commit: int) -> ReceiptChain:
    """The chain where the store left it. After a restore its seals have another incarnation, and it goes on.

    Where the last seals were lost it begins anew behind all numbers that they can have had: none is given twice. Raises
    Damaged."""
    row = first(RECEIPTS, connection.execute(f"{RECEIPTS.select} ORDER BY number DESC LIMIT 1"))
    last = None if row is None else _seal_of(row).words
    lost = given_number(connection)
    if lost and (last is None or last.number <= lost):
        return ReceiptChain(issuer, incarnation, max(lost, last_commit))
    if last is None:
        return ReceiptChain(issuer, incarnation)
    return ReceiptChain(issuer, incarnation, last.number, seal_hash(issuer.network, last))


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
    span = (None, 0) if late else (seal.commits[0], seal.commits[-1])
    row = (words.number, *span, seal.ends_at, words.kept_until, data)
    return (*row, sum_of(row))


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
    bulk.insert(connection, RECEIPTS.insert, [row_of(seal) for seal in seals])
    if late:  # rare, so they have a seal of their own
        others = sealing.seal([(wish.commit_no, wish.id, wish.expires_at) for wish in late], seals)
        bulk.insert(connection, RECEIPTS.insert, [row_of(seal, late=True) for seal in others])
        bulk.insert(connection, LATE_RECEIPTS.insert, [row for seal in others for row in _links_of(seal)])
        seals += others
    return seals


def _unsealed(connection: sqlite3.Connection, wishes: Sequence[ReceiptWish], fresh: set[int]) -> list[ReceiptWish]:
    """Those without a receipt, each once: two publishers may ask at the same time. What is not held any more gets
    none."""
    known = set(fresh)
    found = []
    for wish in wishes:
        if wish.commit_no not in known and not find_seals(connection, [wish.commit_no]):
            found.append(wish)
        known.add(wish.commit_no)
    still = expiries(connection, [wish.commit_no for wish in found])
    return [wish for wish in found if wish.commit_no in still]


def find_seals(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> list[StoredSeal]:
    """The seals that cover any of these commit numbers, each once. Raises Damaged."""
    found: dict[int, StoredSeal] = {}
    covered: set[int] = set()
    for commit_no in commit_nos:
        if commit_no in covered:
            continue
        for rows in (_fresh(connection, commit_no), _late(connection, commit_no)):
            seal = None if (row := first(RECEIPTS, rows)) is None else _seal_of(row)
            if seal is not None and commit_no in seal.commits:
                found[seal.words.number] = seal
                covered.update(seal.commits)
                break
    return list(found.values())


def _fresh(connection: sqlite3.Connection, commit_no: int) -> list[Any]:
    sql = f"{RECEIPTS.select} WHERE first_commit <= ? ORDER BY first_commit DESC LIMIT 1"
    return connection.execute(sql, (commit_no,)).fetchall()


def _late(connection: sqlite3.Connection, commit_no: int) -> list[Any]:
    link = first(LATE_RECEIPTS, connection.execute(f"{LATE_RECEIPTS.select} WHERE commit_no = ?", (commit_no,)))
    return [] if link is None else connection.execute(f"{RECEIPTS.select} WHERE number = ?", link[1:]).fetchall()


def seals_after(connection: sqlite3.Connection, number: int, limit: int) -> list[SealWords]:
    """Seals that are still kept, by number; the last one of the chain always is. Raises Damaged."""
    sql = f"{RECEIPTS.select} WHERE number > ? ORDER BY number LIMIT ?"
    return [_seal_of(row).words for row in checked(RECEIPTS, connection.execute(sql, (number, limit)))]


def missing_links(connection: sqlite3.Connection, row: Sequence[Any]) -> list[tuple[object, ...]]:
    """Rows of `late_receipts` that a whole row of `receipts` should have beside it, and has not."""
    if row[1] is not None:
        return []
    sql = f"{LATE_RECEIPTS.select} WHERE commit_no = ?"
    return [link for link in _links_of(_seal_of(row)) if connection.execute(sql, link[:1]).fetchone() != link]


def _links_of(seal: StoredSeal) -> list[tuple[object, ...]]:
    return [with_sum((commit_no, seal.words.number)) for commit_no in seal.commits]


def _seal_of(row: Sequence[Any]) -> StoredSeal:
    words, spans, ids = DATA.decode(row[5])
    commits = [
        commit_no
        for first, count in zip(spans[::2], spans[1::2], strict=True)
        for commit_no in range(first, first + count)
    ]
    return StoredSeal(
        WORDS.decode(words), commits, [ids[i : i + HASH_BYTES] for i in range(0, len(ids), HASH_BYTES)], 0
    )
