"""The most common group of writes, new envelopes by themselves, as one statement that is its own transaction.

Beside a busy loop a thread waits for Python's lock after each statement: that wait, not the disk, was most of what a
commit took. A view takes the rows, and its trigger spreads them over the tables."""

import sqlite3
from collections.abc import Mapping, Sequence

from pushmesh_protocol.accounts import Topic

from ..engine.records import Record, Write
from . import bulk
from .receipts import Row as ReceiptRow
from .rows import BUCKET_MS, SHOWN_KINDS
from .sets import CONTROL_SET, SHARD_KINDS, Place
from .sums import sum_of

MAX_RECORDS = 64
"""Larger groups go the general way; there the waits are shared by many."""

_COLUMNS = (
    *("first_commit", "kind", "topic_no", "broadcast", "issued_at", "expires_at", "shard", "size"),
    *("sum", "data", "epoch", "author", "wide", "first_seq", "end_seq", "id", "slot_sum", "bucket", "target"),
    *("seal_no", "seal_first", "seal_last", "seal_ends_at", "seal_kept_until", "seal", "seal_sum"),
)
_NO_SEAL = (None,) * 7

# Conflicts as everywhere else: an item is new or the group breaks; of the rest the first one stays.
PREPARE = (
    f"CREATE TEMP VIEW IF NOT EXISTS singles AS SELECT {', '.join(f'0 AS {column}' for column in _COLUMNS)}",
    """CREATE TEMP TRIGGER IF NOT EXISTS take_single INSTEAD OF INSERT ON singles BEGIN
        INSERT INTO items VALUES (new.first_commit, 1, new.kind, new.topic_no, new.broadcast, new.issued_at,
            new.expires_at, NULL, new.shard, new.size, new.sum, new.data);
        INSERT OR IGNORE INTO slots VALUES (new.epoch, new.author, new.wide, new.first_seq, new.first_commit,
            new.end_seq, new.id, new.slot_sum);
        INSERT OR IGNORE INTO ids VALUES (new.bucket, new.id, new.first_commit);
        INSERT OR IGNORE INTO targets SELECT new.first_commit >> 14, new.target, new.first_commit
            WHERE new.target NOT NULL;
        INSERT INTO receipts SELECT new.seal_no, new.seal_first, new.seal_last, new.seal_ends_at, new.seal_kept_until,
            new.seal, new.seal_sum WHERE new.seal_no NOT NULL;
    END""",
)
"""What a writing connection runs at its start, after the tables are there."""


def plain(writes: Sequence[Write], last_commit: int) -> Sequence[Record]:
    """The group as records that one statement stores; nothing where any of it needs more.

    Such a record is new, of one envelope without a collapse key, sent, shown at once, and lists at most one
    recipient."""
    if len(writes) > MAX_RECORDS:
        return ()
    records: list[Record] = []
    for write in writes:
        if type(write) is not Record or len(write.ids) != 1 or not write.sent or write.due_ats or write.collapsing:
            return ()
        (audience,) = write.audiences
        if write.first_commit <= last_commit or (audience is not None and len(audience) > 1):
            return ()
        last_commit = write.first_commit
        records.append(write)
    return records


def insert(
    connection: sqlite3.Connection,
    records: Sequence[Record],
    places: Mapping[Topic, Place],
    seal: ReceiptRow | None = None,
) -> None:
    """Store plain records, durably where no transaction is open; raises sqlite3.Error with nothing stored.

    The row of their seal rides with the first of them."""
    values: list[object] = []
    sealed: Sequence[object] = _NO_SEAL if seal is None else seal
    for record in records:
        (audience,), (id_,) = record.audiences, record.ids
        first, kind, data = record.first_commit, int(record.kind), record.data
        shown = kind in SHOWN_KINDS
        topic_no, shard = (None, CONTROL_SET) if record.topic is None else places[record.topic]
        if kind not in SHARD_KINDS:
            shard = CONTROL_SET
        broadcast = 1 if shown and audience is None else 0
        times = (record.issued_at, record.expires_at)
        counts = (shard, len(data))
        wide = 1 if record.end_seq - record.first_seq > 1 else 0
        slot = (record.epoch, record.author, wide, record.first_seq, first, record.end_seq, id_)
        values += (
            *(first, kind, topic_no, broadcast, *times, *counts),
            sum_of((first, 1, kind, topic_no, broadcast, *times, None, *counts, data)),
            *(data, record.epoch, record.author, wide, record.first_seq, record.end_seq, id_),
            *(sum_of(slot), record.issued_ats[0] // BUCKET_MS, audience[0] if audience and shown else None),
            *sealed,
        )
        sealed = _NO_SEAL
    connection.execute(bulk.statement("INSERT INTO singles", bulk.placeholders(len(_COLUMNS)), len(records)), values)
