"""One write transaction: a group of writes becomes rows and one commit. Runs on the writer's thread."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack

from ..engine.records import (
    OWN_DEVICES,
    CursorRecord,
    DecisionRecord,
    DueRecord,
    GuestRecord,
    HandedRecord,
    InSyncMark,
    LateMark,
    LeftBehind,
    PeerEntry,
    PrivateRecord,
    PrivateTopicRecord,
    ReachedRecord,
    ReadRecord,
    ReceiptWish,
    Record,
    Scheduled,
    SentMark,
    StoredSeal,
    TokenRecord,
    ToldMark,
    Unscheduled,
    VoidMark,
    VoucherRecord,
    Write,
)
from . import bulk, outcomes, singles
from .items import COVERING
from .keyed import OF_GROUP, group_range, prefix_of
from .peers import write_peers
from .receipts import ReceiptChain, leaves_of, row_of, write_seals
from .rows import (
    STRETCH_BITS,
    check_records,
    collapsing_rows,
    id_rows,
    item_rows,
    run_rows,
    scheduled_rows,
    slot_rows,
    target_rows,
    unsent_rows,
)
from .sets import CONTROL_SET, SHARD_KINDS, Place
from .sums import (
    CURSORS,
    DECISIONS,
    GUESTS,
    ITEMS,
    LATE,
    META,
    PRIVATE,
    PRIVATE_TOPICS,
    READS,
    TOKENS,
    UNSENT,
    VOIDS,
    VOUCHERS,
    Table,
    with_sum,
)
from .tally import Amount, amount_of
from .topics import TopicNumbers

WALLET_DEVICES = 64
"""Devices of a wallet whose cursors are kept; the one that has acknowledged nothing for longest makes room."""

APART_DEVICES = 16
"""The same for those that stand apart, of each limited set of topics."""

OWN_PLACES = 64
"""The same for the node's bridges, which no device of the wallet pushes out."""

_IS_OWN = f"device >= '{OWN_DEVICES}' AND device < '{OWN_DEVICES[:-1]}{chr(ord(OWN_DEVICES[-1]) + 1)}'"
_DELETE_CURSORS = f"""DELETE FROM cursors WHERE account = ?1 AND {OF_GROUP} AND device IN
    (SELECT device FROM cursors WHERE account = ?1 AND {OF_GROUP} AND NOT ({_IS_OWN})
        ORDER BY at DESC, device LIMIT -1 OFFSET ?5)"""
_DELETE_OWN = f"""DELETE FROM cursors WHERE account = ?1 AND {_IS_OWN} AND device IN
    (SELECT device FROM cursors WHERE account = ?1 AND {_IS_OWN} ORDER BY at DESC, device LIMIT -1 OFFSET ?2)"""
_CROWDED = f"SELECT account FROM cursors WHERE account IN {{}} GROUP BY account HAVING count(*) > {APART_DEVICES}"

_DELETE_OLD_CURSORS = f"""DELETE FROM cursors WHERE (account, device) IN
    (SELECT account, device FROM cursors WHERE NOT ({_IS_OWN}) ORDER BY at LIMIT ?)"""
_DELETE_OLD_READS = """DELETE FROM reads WHERE (account, restriction) IN
    (SELECT account, restriction FROM reads ORDER BY at LIMIT ?)"""


@dataclass(frozen=True, slots=True)
class Written:
    """What a transaction changed: what came into each set, the store's highest commit number after it, and the seals of
    its receipts."""

    added: Mapping[int, Amount]
    last_commit: int
    seals: Sequence[StoredSeal] = ()


def write_group(
    connection: sqlite3.Connection,
    writes: Sequence[Write],
    topics: TopicNumbers,
    last_commit: int,
    receipts: ReceiptChain | None = None,
) -> Written:
    """Commit the writes in one transaction, or none of them. Durable when it returns.

    `last_commit` is the highest commit number stored so far; with `receipts` what was published is sealed too. Raises
    sqlite3.Error after a rollback; the connection goes on.
    """
    records = singles.plain(writes, last_commit)
    if records and (places := topics.at_hand(*_topics_of(records))) is not None:
        check_records(records)
        leaves = [] if receipts is None else leaves_of(records)
        seals = receipts.seal(leaves) if receipts is not None and leaves else []  # one: a group is small
        singles.insert(connection, records, places, row_of(seals[0]) if seals else None)
        if receipts is not None:
            receipts.sealed(seals)
        return Written(_amounts(records, places), records[-1].first_commit, tuple(seals))
    connection.execute("BEGIN IMMEDIATE")
    try:
        written = _write(connection, writes, topics, last_commit, receipts)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back on some errors (a full disk) and not on others.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        topics.forget_new()
        raise
    if receipts is not None:
        receipts.sealed(written.seals)
    topics.keep_new()
    return written


def _write(
    connection: sqlite3.Connection,
    writes: Sequence[Write],
    topics: TopicNumbers,
    last_commit: int,
    receipts: ReceiptChain | None,
) -> Written:
    by_type: dict[type, list[Any]] = {}
    for write in writes:
        by_type.setdefault(type(write), []).append(write)
    records = _new_records(connection, by_type.pop(Record, []), last_commit)
    added: dict[int, Amount] = {}
    if records:
        places = topics.numbers(connection, *_topics_of(records))
        _write_records(connection, records, places)
        added = _amounts(records, places)
        last_commit = max(last_commit, max(record.first_commit + len(record.ids) - 1 for record in records))
    shown = by_type.pop(DueRecord, [])
    if shown:
        for number, amount in _write_due(connection, shown).items():
            added[number] = added.get(number, Amount()) + amount
        last_commit = max(last_commit, max(due.commit_no for due in shown))
    wishes = by_type.pop(ReceiptWish, [])
    for kind, values in by_type.items():
        _KEYED[kind](connection, values)
    seals = [] if receipts is None else write_seals(connection, receipts, records, wishes)
    return Written(added, last_commit, tuple(seals))


def _amounts(records: Sequence[Record], places: Mapping[Topic, Place]) -> dict[int, Amount]:
    """What the records add to each set."""
    sizes: dict[int, list[tuple[int, int]]] = {}
    for record in records:
        shard = CONTROL_SET if record.topic is None or record.kind not in SHARD_KINDS else places[record.topic][1]
        sizes.setdefault(shard, []).append((len(record.ids), len(record.data)))
    return {shard: amount_of(found) for shard, found in sizes.items()}


def _new_records(connection: sqlite3.Connection, records: list[Record], last_commit: int) -> list[Record]:
    """Leave out, whole, what is stored already: a record is known by its first commit number."""
    check_records(records)
    known: set[int] = set()
    new = []
    for record in records:
        first = record.first_commit
        if first <= last_commit and (first in known or _is_stored(connection, first)):
            continue
        known.add(first)
        last_commit = max(last_commit, first)
        new.append(record)
    return new


def _is_stored(connection: sqlite3.Connection, first_commit: int) -> bool:
    return connection.execute("SELECT 1 FROM items WHERE first_commit = ?", (first_commit,)).fetchone() is not None


def _write_records(connection: sqlite3.Connection, records: list[Record], places: Mapping[Topic, Place]) -> None:
    bulk.insert(connection, ITEMS.insert, item_rows(records, places))
    bulk.insert(connection, "INSERT OR IGNORE INTO slots", slot_rows(records))
    # The same envelope can come again with another auth: the index keeps the first.
    bulk.insert(connection, "INSERT OR IGNORE INTO ids", id_rows(records))
    bulk.insert(connection, "INSERT OR IGNORE INTO targets", target_rows(records))
    bulk.insert(connection, "INSERT INTO runs", run_rows(records))
    bulk.insert(connection, UNSENT.insert, unsent_rows(records))
    bulk.insert(connection, "INSERT INTO collapsing", collapsing_rows(records))
    bulk.insert(connection, "INSERT INTO scheduled", scheduled_rows(records))


def _topics_of(records: Sequence[Record]) -> tuple[set[Topic], int]:
    """What they are about, and until when the last of them lives."""
    topics = {record.topic for record in records if record.topic is not None}
    return topics, max([record.expires_at for record in records])


_SHOWN = "?1, 1, kind, topic_no, ?2, issued_at, expires_at, ?3, shard, length(?4)"
_SHOW = f"""{ITEMS.insert} SELECT {_SHOWN}, ?4, row_sum({_SHOWN}, ?4) FROM items
    WHERE first_commit = {COVERING.format(number="?3")} AND ?3 < first_commit + count"""


def _write_due(connection: sqlite3.Connection, records: Sequence[DueRecord]) -> dict[int, Amount]:
    """Show them in inboxes under their new numbers; one that turned out void meanwhile is void there too, and one that
    is late is late. Returns what that adds to each set."""
    rows = [(due.commit_no, due.audience is None, due.origin, due.data) for due in records]
    connection.executemany(_SHOW, rows)
    targets = [
        (due.commit_no >> STRETCH_BITS, account, due.commit_no) for due in records for account in due.audience or ()
    ]
    bulk.insert(connection, "INSERT OR IGNORE INTO targets", targets)
    for table in (VOIDS, LATE):
        sql = f"INSERT OR IGNORE INTO {table.name} SELECT ?1, row_sum(?1) FROM {table.name} WHERE commit_no = ?2"
        connection.executemany(sql, [(due.commit_no, due.origin) for due in records])
    connection.executemany(_UNSCHEDULE, [(due.due_at, due.origin) for due in records])
    added: dict[int, Amount] = {}
    for due in records:
        sql = "SELECT shard, count, size FROM items WHERE first_commit = ?"
        for shard, count, size in connection.execute(sql, (due.commit_no,)):
            added[shard] = added.get(shard, Amount()) + Amount(1, count, size)
    return added


def _write_scheduled(connection: sqlite3.Connection, marks: Iterable[Scheduled]) -> None:
    rows = [with_sum((mark.due_at, mark.commit_no)) for mark in marks]
    bulk.insert(connection, "INSERT OR IGNORE INTO scheduled", rows)


_UNSCHEDULE = "DELETE FROM scheduled WHERE due_at = ? AND commit_no = ?"


def _write_unscheduled(connection: sqlite3.Connection, marks: Sequence[Unscheduled]) -> None:
    connection.executemany(_UNSCHEDULE, [(mark.due_at, mark.commit_no) for mark in marks])


def _write_vouchers(connection: sqlite3.Connection, vouchers: Iterable[VoucherRecord]) -> None:
    rows = [
        (v.epoch, v.account, v.key, v.stream, v.sequence, v.count, v.units, v.data, v.equivocation) for v in vouchers
    ]
    bulk.insert(connection, VOUCHERS.replace, [with_sum(row) for row in rows])


def _write_decisions(connection: sqlite3.Connection, decisions: Iterable[DecisionRecord]) -> None:
    rows = [
        (d.account, d.commit_no, d.verdict, d.reason, d.rule, d.decided_at, d.policy_hash, d.preferences_hash)
        for d in decisions
    ]
    bulk.insert(connection, DECISIONS.replace, [with_sum(row) for row in rows])


def _write_private(connection: sqlite3.Connection, records: Iterable[PrivateRecord]) -> None:
    rows = [(r.account, r.kind, r.issued_at, r.expires_at, r.data) for r in records]
    bulk.insert(connection, PRIVATE.replace, [with_sum(row) for row in rows])


def _write_private_topics(connection: sqlite3.Connection, records: Iterable[PrivateTopicRecord]) -> None:
    rows = [(r.account, r.topic, r.issued_at, r.expires_at, r.data) for r in records]
    bulk.insert(connection, PRIVATE_TOPICS.replace, [with_sum(row) for row in rows])


def _write_tokens(connection: sqlite3.Connection, tokens: Iterable[TokenRecord]) -> None:
    rows = [
        (
            *(t.digest, t.account, t.grant_id, bytes(t.scopes), None if t.topics is None else pack(t.topics)),
            *(t.expires_at, t.first_seen, int(t.revoked)),
        )
        for t in tokens
    ]
    bulk.insert(connection, TOKENS.replace, [with_sum(row) for row in rows])


def _write_guests(connection: sqlite3.Connection, guests: Iterable[GuestRecord]) -> None:
    rows = [(g.bridge, g.account, g.grant_id, g.token, g.expires_at) for g in guests]
    bulk.insert(connection, GUESTS.replace, [with_sum(row) for row in rows])


def _write_cursors(connection: sqlite3.Connection, cursors: Iterable[CursorRecord]) -> None:
    rows = [(c.account, c.device, c.commit_no, c.at) for c in cursors]
    bulk.insert(connection, CURSORS.replace, [with_sum(row) for row in rows])
    crowded = _crowded(connection, list({account for account, _, _, _ in rows}))
    if not crowded:  # nearly always: no wallet has that many devices
        return
    groups = {(account, prefix_of(device)) for account, device, _, _ in rows if account in crowded}
    limits = [(*group, APART_DEVICES if group[1] else WALLET_DEVICES) for group in groups]
    sql = [(account, *group_range(prefix), limit) for account, prefix, limit in limits]
    connection.executemany(_DELETE_CURSORS, sql)
    own = {account for account, device, _, _ in rows if device.startswith(OWN_DEVICES)} & crowded
    connection.executemany(_DELETE_OWN, [(account, OWN_PLACES) for account in own])


def _crowded(connection: sqlite3.Connection, accounts: Sequence[bytes]) -> set[bytes]:
    """Those of which some group may have more devices than are kept: whose devices together are more than the fewest
    that any group keeps."""
    found: set[bytes] = set()
    for part in bulk.pieces(accounts):
        rows = connection.execute(_CROWDED.format(bulk.placeholders(len(part))), part)
        found.update([account for (account,) in rows])
    return found


def _write_reads(connection: sqlite3.Connection, reads: Iterable[ReadRecord]) -> None:
    rows = [(r.account, r.restriction, r.commit_no, pack(r.marks), r.at) for r in reads]
    bulk.insert(connection, READS.replace, [with_sum(row) for row in rows])


def _leave_behind(connection: sqlite3.Connection, orders: Iterable[LeftBehind]) -> None:
    for order in orders:
        connection.execute(_DELETE_OLD_CURSORS, (order.cursors,))
        connection.execute(_DELETE_OLD_READS, (order.reads,))


def _write_sent_marks(connection: sqlite3.Connection, marks: Sequence[SentMark]) -> None:
    for part in bulk.pieces([mark.commit_no for mark in marks]):
        connection.execute(f"DELETE FROM unsent WHERE commit_no IN {bulk.placeholders(len(part))}", part)


def _write_void_marks(connection: sqlite3.Connection, marks: Iterable[VoidMark]) -> None:
    _mark(connection, VOIDS, [mark.commit_no for mark in marks])


def _write_late_marks(connection: sqlite3.Connection, marks: Iterable[LateMark]) -> None:
    _mark(connection, LATE, [mark.commit_no for mark in marks])


def _mark(connection: sqlite3.Connection, table: Table, numbers: Sequence[int]) -> None:
    bulk.insert(connection, f"INSERT OR IGNORE INTO {table.name}", [with_sum((number,)) for number in numbers])
    for part in bulk.pieces(numbers):  # and where inboxes show it under another number
        again = f"SELECT first_commit, row_sum(first_commit) FROM items WHERE origin IN {bulk.placeholders(len(part))}"
        connection.execute(f"INSERT OR IGNORE INTO {table.name} {again}", tuple(part))


def _write_in_sync(connection: sqlite3.Connection, marks: Iterable[InSyncMark]) -> None:
    bulk.insert(connection, META.replace, [with_sum(("in_sync", max([mark.at for mark in marks])))])


# By the key of each table the last write wins: which voucher or cursor is the newest was decided before it came here.
_KEYED: dict[type, Callable[[sqlite3.Connection, list[Any]], None]] = {
    VoucherRecord: _write_vouchers,
    DecisionRecord: _write_decisions,
    PrivateRecord: _write_private,
    PrivateTopicRecord: _write_private_topics,
    TokenRecord: _write_tokens,
    GuestRecord: _write_guests,
    CursorRecord: _write_cursors,
    ReadRecord: _write_reads,
    LeftBehind: _leave_behind,
    PeerEntry: write_peers,
    SentMark: _write_sent_marks,
    HandedRecord: outcomes.write_handed,
    ToldMark: outcomes.write_told,
    ReachedRecord: outcomes.write_reached,
    VoidMark: _write_void_marks,
    LateMark: _write_late_marks,
    InSyncMark: _write_in_sync,
    Scheduled: _write_scheduled,
    Unscheduled: _write_unscheduled,
}
