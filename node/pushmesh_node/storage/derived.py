"""What can be made again from an item: where it stands in `slots`, `ids`, `targets`, `runs` and `collapsing`.

These rows carry no truth of their own: what is missing or differs is written anew. Runs on the writer's thread.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from ..engine.records import Record, StoredItem
from . import bulk
from .items import COVERING
from .rows import Row, collapsing_rows, id_rows, run_rows, slot_rows, target_rows
from .sums import COLLAPSING, ITEMS, RUNS, SLOTS, is_intact, with_sum
from .topics import topic_end

Remake = Callable[[StoredItem], Record | None]
"""The record that an item was, with a due time wherever its envelope has one; None for one that cannot be read."""

Missing = Mapping[str, Sequence[Row]]
"""By table the rows that should be there and are not."""


def missing_rows(
    connection: sqlite3.Connection,
    record: Record,
    origin: int | None,
    topic_no: int | None = None,
    remake: Remake | None = None,
) -> Missing:
    """What an item lacks; `origin` is set for the copy that inboxes show of a scheduled envelope: it has recipients
    alone. `topic_no` is the number of its topic, as its row has it."""
    if origin is not None:
        return _without_empty({"targets": _absent_targets(connection, [replace(record, due_ats=())])})
    settled = [_settled(connection, record)]
    return _without_empty(
        {
            "slots": _absent(connection, SLOTS.select, SLOTS.key, slot_rows(settled)),
            "ids": _absent_ids(connection, settled, remake),
            "targets": _absent_targets(connection, settled),
            "runs": _absent(connection, RUNS.select, RUNS.key, run_rows(settled)),
            "collapsing": _absent(connection, COLLAPSING.select, COLLAPSING.key, collapsing_rows(settled)),
            "topics": _absent_topics(connection, record, topic_no),
        }
    )


def write_missing(connection: sqlite3.Connection, missing: Missing) -> None:
    """Inside the caller's transaction."""
    for table, rows in missing.items():
        bulk.insert(connection, f"INSERT OR REPLACE INTO {table}", rows)


def _settled(connection: sqlite3.Connection, record: Record) -> Record:
    """With due times for those envelopes alone that no inbox showed at once: they wait still, or stand there as a
    copy."""
    if not record.due_ats:
        return record
    sql = """SELECT 1 FROM scheduled WHERE due_at = ?1 AND commit_no = ?2
        UNION ALL SELECT 1 FROM items WHERE origin = ?2 LIMIT 1"""
    due_ats = [
        due_at if due_at and connection.execute(sql, (due_at, commit_no)).fetchone() else None
        for commit_no, due_at in enumerate(record.due_ats, record.first_commit)
    ]
    return replace(record, due_ats=tuple(due_ats) if any(due_ats) else ())


def _absent(connection: sqlite3.Connection, select: str, key: Sequence[str], rows: Iterable[Row]) -> list[Row]:
    where = " AND ".join(f"{column} = ?" for column in key)
    absent = []
    for row in rows:
        found = connection.execute(f"{select} WHERE {where}", row[: len(key)]).fetchone()
        if found is None or not is_intact(found):
            absent.append(row)
    return absent


# Many in one statement: a run has a thousand leaves.
_THERE = """WITH q (bucket, id, commit_no) AS (VALUES {rows})
    SELECT q.bucket, q.id, q.commit_no FROM q CROSS JOIN ids n ON n.bucket = q.bucket AND n.id = q.id
     WHERE n.commit_no = q.commit_no"""
_ELSEWHERE = f"""SELECT n.commit_no, i.* FROM ids n
    CROSS JOIN ({ITEMS.select}) i ON i.first_commit = {COVERING.format(number="n.commit_no")}
     WHERE n.bucket = ? AND n.id = ? AND n.commit_no < ? AND n.commit_no < i.first_commit + i.count"""
_LISTED = """WITH q (stretch, account, commit_no) AS (VALUES {rows})
    SELECT q.stretch, q.account, q.commit_no FROM q CROSS JOIN targets t
        ON t.stretch = q.stretch AND t.account = q.account AND t.commit_no = q.commit_no"""


def _absent_ids(connection: sqlite3.Connection, records: Sequence[Record], remake: Remake | None) -> list[Row]:
    """An id may stand under a lower number, where the same envelope was stored before; without `remake` that is
    believed."""
    absent = _absent_among(connection, _THERE, id_rows(records))
    return [row for row in absent if not _is_elsewhere(connection, row, remake)]


def _is_elsewhere(connection: sqlite3.Connection, row: Row, remake: Remake | None) -> bool:
    for number, *item in connection.execute(_ELSEWHERE, row).fetchall():
        if remake is None:
            return True
        record = remake(StoredItem(item[0], item[1], item[2], item[-2])) if is_intact(item) else None
        return record is not None and record.ids[number - item[0]] == row[1]
    return False


def _absent_targets(connection: sqlite3.Connection, records: Sequence[Record]) -> list[Row]:
    return _absent_among(connection, _LISTED, target_rows(records))


def _absent_among(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> list[Row]:
    """Those of the rows, of three values each, that the statement does not give back."""
    there: set[Row] = set()
    for part in bulk.pieces(rows):
        values = [value for row in part for value in row]
        there.update(connection.execute(sql.format(rows=",".join(["(?,?,?)"] * len(part))), values))
    return [row for row in rows if row not in there]


def _absent_topics(connection: sqlite3.Connection, record: Record, topic_no: int | None) -> list[Row]:
    """A topic that got another number since keeps that one."""
    if topic_no is None or record.topic is None:
        return []
    sql = "SELECT 1 FROM topics WHERE topic_no = ?1 OR (owner = ?2 AND name = ?3)"
    owner, name = record.topic.owner, record.topic.name
    if connection.execute(sql, (topic_no, owner, name)).fetchone() is not None:
        return []
    return [with_sum((topic_no, owner, name, topic_end(record.expires_at)))]


def topic_of(connection: sqlite3.Connection, topic_no: int, remake: Remake) -> Row | None:
    """The row of a topic, made again from any of its items."""
    rows = connection.execute(f"{ITEMS.select} WHERE topic_no = ? LIMIT 8", (topic_no,)).fetchall()
    (end,) = connection.execute("SELECT max(expires_at) FROM items WHERE topic_no = ?", (topic_no,)).fetchone()
    for row in rows:
        record = remake(StoredItem(row[0], row[1], row[2], row[-2])) if is_intact(row) else None
        if record is not None and record.topic is not None:
            return with_sum((topic_no, record.topic.owner, record.topic.name, topic_end(end)))
    return None


def _without_empty(missing: Missing) -> Missing:
    return {table: rows for table, rows in missing.items() if rows}
