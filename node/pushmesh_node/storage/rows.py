"""Records as rows of the tables. Pure, and built by comprehension: the loop waits for each microsecond spent here."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs

from ..engine.records import Record
from .sets import CONTROL_SET, SHARD_KINDS, Place
from .sums import with_sum

BUCKET_MS = 3_600_000
"""Ids are kept in buckets of issued-at: one hour."""

MAX_WIDTH_SLOTS = 1_024
"""No record covers more slots: a run has at most 1,024 leaves, and an item of 80 KiB is 320 slots of 256 bytes."""

STRETCH_BITS = 14
"""Recipients and topics are kept in stretches of 2^14 commit numbers."""

SHOWN_KINDS = frozenset({5, 6})
"""Notifications and retractions: what inboxes show."""

Row = tuple[object, ...]


def bucket(issued_at: UnixMs | int) -> int:
    """The hour of issued-at (ms): the first part of the id index."""
    return issued_at // BUCKET_MS


def check_records(records: Iterable[Record]) -> None:
    """Raise ValueError for a record that breaks what the tables rest on: that is the engine's mistake."""
    for record in records:
        leaves = len(record.ids)
        if not leaves or leaves != len(record.issued_ats) or leaves != len(record.audiences):
            raise ValueError("ids, issued_ats and audiences of a record have one entry an envelope, and at least one")
        if record.due_ats and leaves != len(record.due_ats):
            raise ValueError("due_ats of a record are none, or one an envelope")
        if record.collapsing and leaves != len(record.collapsing):
            raise ValueError("collapsing of a record is empty, or says it of each envelope")
        width = record.end_seq - record.first_seq
        if not 0 < width <= MAX_WIDTH_SLOTS or (leaves > 1 and width != leaves):
            raise ValueError(f"a record of {leaves} envelopes cannot cover {width} slots")


def item_rows(records: Iterable[Record], places: Mapping[Topic, Place]) -> list[Row]:
    """Rows of `items` with their sums; `places` has the number and the shard of each topic."""
    return [with_sum(item_row(record, places)) for record in records]


def item_row(record: Record, places: Mapping[Topic, Place]) -> Row:
    """The row of one record, without its sum."""
    topic_no, shard = (None, CONTROL_SET) if record.topic is None else places[record.topic]
    return (
        record.first_commit,
        len(record.ids),
        int(record.kind),
        topic_no,
        sum(broadcasts(record)) if record.kind in SHOWN_KINDS else 0,
        record.issued_at,
        record.expires_at,
        None,
        shard if record.kind in SHARD_KINDS else CONTROL_SET,
        len(record.data),
        record.data,
    )


def slot_rows(records: Iterable[Record]) -> list[Row]:
    """(epoch, author, wide, first_seq, first_commit, end_seq, id or NULL, sum)."""
    return [
        with_sum(
            (
                record.epoch,
                record.author,
                1 if record.end_seq - record.first_seq > 1 else 0,
                record.first_seq,
                record.first_commit,
                record.end_seq,
                record.ids[0] if len(record.ids) == 1 else None,
            )
        )
        for record in records
    ]


def id_rows(records: Iterable[Record]) -> list[Row]:
    """(bucket, id, commit_no), one for each envelope."""
    return [
        (issued_at // BUCKET_MS, id_, commit_no)
        for record in records
        for commit_no, (id_, issued_at) in enumerate(
            zip(record.ids, record.issued_ats, strict=True), record.first_commit
        )
    ]


def target_rows(records: Iterable[Record]) -> list[Row]:
    """(stretch, account, commit_no), one for each recipient that an envelope lists."""
    return [
        (commit_no >> STRETCH_BITS, account, commit_no)
        for record in records
        if record.kind in SHOWN_KINDS and record.audiences != (None,)
        for commit_no, audience in enumerate(record.audiences, record.first_commit)
        if audience is not None and not (record.due_ats and record.due_ats[commit_no - record.first_commit])
        for account in audience
    ]


def run_rows(records: Iterable[Record]) -> list[Row]:
    """(first_commit, ids, mask, ends, sum) for records of several envelopes."""
    return [
        with_sum(
            (
                record.first_commit,
                b"".join(record.ids),
                broadcast_mask(broadcasts(record)),
                array("Q", record.ends).tobytes(),
            )
        )
        for record in records
        if len(record.ids) > 1
    ]


def broadcasts(record: Record) -> list[bool]:
    """For each envelope whether inboxes show it now, to all subscribers."""
    if not record.due_ats:
        return [audience is None for audience in record.audiences]
    return [
        audience is None and due_at is None for audience, due_at in zip(record.audiences, record.due_ats, strict=True)
    ]


def broadcast_mask(shown: Sequence[bool]) -> bytes | None:
    """A byte a leaf, 1 where it is for all subscribers; None where all leaves are alike."""
    return None if all(shown) or not any(shown) else bytes(shown)


def scheduled_rows(records: Iterable[Record]) -> list[Row]:
    """(due_at, commit_no, sum) of envelopes that no inbox shows yet."""
    return [
        with_sum((due_at, commit_no))
        for record in records
        if record.due_ats
        for commit_no, due_at in enumerate(record.due_ats, record.first_commit)
        if due_at is not None
    ]


def collapsing_rows(records: Iterable[Record]) -> list[Row]:
    """(commit_no, sum) of notifications with a collapse key."""
    return [
        with_sum((commit_no,))
        for record in records
        if record.collapsing
        for commit_no, has_key in enumerate(record.collapsing, record.first_commit)
        if has_key
    ]


def unsent_rows(records: Iterable[Record]) -> list[Row]:
    """(commit_no, sum) of envelopes that were not yet sent in a frame."""
    return [
        with_sum((commit_no,))
        for record in records
        if not record.sent
        for commit_no in range(record.first_commit, record.first_commit + len(record.ids))
    ]
