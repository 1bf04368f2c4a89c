"""What sync reads: all records with their ends, items by number, and which ids are held. It knows no sets."""

import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from pushmesh_protocol.accounts import Topic

from .bulk import pieces, placeholders
from .items import COVERING
from .rows import bucket
from .sums import ITEMS, RUNS, SLOTS, checked

Position = tuple[int, bytes, int, int, int]
"""A key of the table `slots`: where a walk goes on."""

START: Position = (-(2**62), b"", 0, 0, 0)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A stored record: its ids and, in the same order, until when each matters; `ends` None where only its frame
    tells."""

    first_commit: int
    kind: int
    topic: Topic | None
    ids: tuple[bytes, ...]
    ends: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class HeadRow:
    """What a stored record is, without its frame."""

    first_commit: int
    count: int
    issued_at: int
    topic: Topic | None
    size_bytes: int


_RECORDS = """SELECT s.epoch, s.author, s.wide, s.first_seq, s.first_commit, s.end_seq, s.id, s.sum,
       i.kind, t.owner, t.name, i.expires_at, r.ids, r.mask, r.ends, r.sum
    FROM slots s CROSS JOIN items i ON i.first_commit = s.first_commit
    LEFT JOIN topics t ON t.topic_no = i.topic_no LEFT JOIN runs r ON r.first_commit = s.first_commit
    WHERE (s.epoch, s.author, s.wide, s.first_seq, s.first_commit) > (?, ?, ?, ?, ?)
    ORDER BY s.epoch, s.author, s.wide, s.first_seq, s.first_commit LIMIT ?"""

# Steps from epoch to epoch by the primary key.
_OF_AUTHOR = """WITH RECURSIVE e (x) AS (
        SELECT min(epoch) FROM slots WHERE epoch >= ?4 UNION ALL
        SELECT (SELECT min(epoch) FROM slots WHERE epoch > e.x) FROM e WHERE e.x IS NOT NULL)
    SELECT s.first_commit FROM e CROSS JOIN slots s ON s.epoch = e.x AND s.author = ?1
     CROSS JOIN items i ON i.first_commit = s.first_commit
     WHERE s.first_commit > ?2 ORDER BY s.first_commit LIMIT ?3"""

_HELD = f"""WITH q (bucket, id) AS (VALUES {{questions}})
    SELECT q.id, x.commit_no FROM q CROSS JOIN ids x ON x.bucket = q.bucket AND x.id = q.id
     CROSS JOIN items i ON i.first_commit = {COVERING.format(number="x.commit_no")}
     WHERE x.commit_no < i.first_commit + i.count"""

_HEADS = f"""WITH n (commit_no) AS (VALUES {{numbers}})
    SELECT n.commit_no, i.first_commit, i.count, i.issued_at, t.owner, t.name, length(i.data)
      FROM n CROSS JOIN items i ON i.first_commit = {COVERING.format(number="n.commit_no")}
      LEFT JOIN topics t ON t.topic_no = i.topic_no
     WHERE n.commit_no < i.first_commit + i.count"""


def records(connection: sqlite3.Connection, after: Position, limit: int) -> tuple[list[RecordRow], Position | None]:
    """The next records in the order of their slots, and where to go on, None at the end. Those that were shown again
    under another number are passed over."""
    rows = connection.execute(_RECORDS, (*after, limit)).fetchall()
    found = []
    for row in rows:
        ((*_key, first_commit, _end_seq, id_),) = checked(SLOTS, (row[:8],))
        kind, owner, name, expires_at = row[8:12]
        topic = None if owner is None else Topic(owner, name)
        if id_ is not None:
            found.append(RecordRow(first_commit, kind, topic, (id_,), (expires_at,)))
            continue
        ((_first, run_ids, _mask, run_ends),) = checked(RUNS, ((first_commit, *row[12:]),))
        ids = tuple([run_ids[i : i + 32] for i in range(0, len(run_ids), 32)])
        found.append(RecordRow(first_commit, kind, topic, ids, _ends(run_ends, expires_at, len(ids))))
    return found, rows[-1][:5] if len(rows) == limit else None


def _ends(data: bytes | None, expires_at: int, count: int) -> tuple[int, ...] | None:
    if data is None:
        return None
    return (expires_at,) * count if not data else tuple(array("Q", data))


def of_author(connection: sqlite3.Connection, author: bytes, first_epoch: int, after: int, limit: int) -> list[int]:
    """The first commit numbers of an author's records from an epoch on, ascending, after a number."""
    return [number for (number,) in connection.execute(_OF_AUTHOR, (author, after, limit, first_epoch))]


def held(connection: sqlite3.Connection, asked: Sequence[tuple[int, bytes]]) -> dict[bytes, int]:
    """The commit numbers of those of the (issued-at, id) that are stored."""
    found: dict[bytes, int] = {}
    for part in pieces([value for value in asked if 0 <= value[0] < 2**62], 256):
        questions = ",".join(["(?,?)"] * len(part))
        values = [value for issued_at, id_ in part for value in (bucket(issued_at), id_)]
        found.update(connection.execute(_HELD.format(questions=questions), values).fetchall())
    return found


def heads(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> dict[int, HeadRow]:
    """For each of the commit numbers that is held the record that holds it."""
    found: dict[int, HeadRow] = {}
    for part in pieces(commit_nos, 256):
        sql = _HEADS.format(numbers=",".join(["(?)"] * len(part)))
        for commit_no, first, count, issued_at, owner, name, size in connection.execute(sql, tuple(part)):
            topic = None if owner is None else Topic(owner, name)
            found[commit_no] = HeadRow(first, count, issued_at, topic, size)
    return found


def frames(connection: sqlite3.Connection, first_commits: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """(envelopes, frame) of those of the records that are stored."""
    found: dict[int, tuple[int, bytes]] = {}
    for part in pieces(first_commits):
        sql = f"{ITEMS.select} WHERE first_commit IN {placeholders(len(part))}"
        found.update((row[0], (row[1], row[-1])) for row in checked(ITEMS, connection.execute(sql, tuple(part))))
    return found
