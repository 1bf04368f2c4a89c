"""Who holds a slot? One statement answers all questions of a frame; nearly always with nothing."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from ..engine.records import Holder, SlotRange
from .bulk import pieces
from .rows import MAX_WIDTH_SLOTS
from .sums import RUNS, SLOTS, checked

# CROSS JOIN keeps the order of the tables: each question is one or two short walks in the primary key of slots.
_FOUND = """
    SELECT q.number, q.a, q.b, s.* FROM q CROSS JOIN slots s
     WHERE s.epoch = q.epoch AND s.author = q.author AND s.wide = 0 AND s.first_seq >= q.a AND s.first_seq < q.b
    UNION ALL
    SELECT q.number, q.a, q.b, s.* FROM q CROSS JOIN slots s
     WHERE s.epoch = q.epoch AND s.author = q.author AND s.wide = 1
       AND s.first_seq > q.a - {width} AND s.first_seq < q.b AND s.end_seq > q.a"""
_HOLDERS = """
    WITH q (number, epoch, author, a, b) AS (VALUES {questions}), found AS ({found})
    SELECT f.number, f.a, f.b, f.epoch, f.author, f.wide, f.first_seq, f.first_commit, f.end_seq, f.id, f.sum,
           r.ids, r.mask, r.ends, r.sum, u.commit_no IS NULL
      FROM found f CROSS JOIN items i ON i.first_commit = f.first_commit
      LEFT JOIN runs r ON r.first_commit = f.first_commit
      LEFT JOIN unsent u ON u.commit_no = f.first_commit
     ORDER BY f.number, f.first_commit"""


def holders(connection: sqlite3.Connection, ranges: Sequence[SlotRange]) -> list[list[Holder]]:
    """For each range the envelopes that hold some of its slots, by commit number."""
    answers: list[list[Holder]] = []
    for part in pieces(ranges, 256):
        questions = [value for r in part for value in (r.epoch, r.author, r.first_seq, r.end_seq)]
        block: list[list[Holder]] = [[] for _range in part]
        for row in connection.execute(_statement(len(part)), questions):
            number, a, b = row[:3]
            ((_epoch, _author, _wide, first_seq, first_commit, end_seq, id_),) = checked(SLOTS, (row[3:11],))
            if id_ is not None:
                block[number].append(Holder(first_seq, end_seq, id_, first_commit, bool(row[15])))
                continue
            ((_first, ids, _mask, _ends),) = checked(RUNS, ((first_commit, *row[11:15]),))
            span = range(max(a, first_seq), min(b, end_seq))
            block[number] += _leaves(connection, first_commit - first_seq, first_seq, span, ids)
        answers += block
    return answers


def _leaves(connection: sqlite3.Connection, shift: int, first_seq: int, seqs: range, ids: bytes) -> list[Holder]:
    """The leaves of a run in these slots; a leaf's commit number is its slot + `shift`, its id 32 bytes of `ids`."""
    sql = "SELECT commit_no FROM unsent WHERE commit_no >= ? AND commit_no < ?"
    unsent = {number for (number,) in connection.execute(sql, (seqs.start + shift, seqs.stop + shift))}
    return [
        Holder(seq, seq + 1, ids[32 * i : 32 * i + 32], seq + shift, seq + shift not in unsent)  # type: ignore[arg-type]  # 32 bytes of a run are an id
        for seq in seqs
        for i in (seq - first_seq,)
    ]


@lru_cache(maxsize=16)
def _statement(count: int) -> str:
    questions = ",".join(f"({number},?,?,?,?)" for number in range(count))
    return _HOLDERS.format(questions=questions, found=_FOUND.format(width=MAX_WIDTH_SLOTS))
