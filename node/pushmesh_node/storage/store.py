"""The store of a node: one SQLite file; one connection writes, two read, two tidy up. This class is the contract."""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.receipts import SealWords

from ..engine.records import (
    CursorRecord,
    DecisionRecord,
    Holder,
    Owed,
    PeerEntry,
    PrivateRecord,
    ReachedRecord,
    SlotRange,
    StoredDue,
    StoredEnvelope,
    StoredItem,
    StoredSeal,
    TokenRecord,
    VoucherRecord,
    Write,
)
from . import expiry, inbox, items, keyed, outcomes, quarantine, retention, slots, sync_rows, upkeep
from .checkpoints import Checkpointer, checkpoint
from .derived import Missing, Remake, write_missing
from .errors import StoreDamaged, StoreError, StoreFailed
from .files import (
    Meta,
    check_can_open,
    check_was_not_emptied,
    drop_cut_log,
    is_suspect,
    mark_of,
    prepare_reader,
    prepare_writer,
    size_of,
)
from .group_commit import GroupCommit
from .lock import StoreLock
from .peers import read_peers
from .quarantine import Aside
from .receipts import Issuer, ReceiptChain, find_seals, read_chain, seals_after
from .retention import Bounds, excess_of
from .salvage import Salvaged, salvage
from .scrub import Position, Seen, look
from .sets import ShardOf, one_shard
from .settings import StoreSettings
from .stats import StoreStats
from .sums import Damaged
from .tally import Amount, Tally, count_sets
from .thread import ConnectionThread
from .topics import TopicNumbers
from .transaction import Written, write_group
from .trouble import Troubles
from .upkeep import Room, Usage

P = ParamSpec("P")
T = TypeVar("T")

SEALS_AT_HAND = 64
"""Seals of the last transactions, whose receipts are asked for at once."""

WORTHWHILE = 8
"""A walk goes on at once while every eighth row is dead, so that no table keeps more dead rows than that for long,
however many rows an item has."""

MAX_DAMAGED_ROWS = 256
"""One question moves at most so many rows aside; a store that is worse than that fails it."""


class Store:
    """Opened with open(), ended with close(). Reads raise StoreFailed when the disk fails or after close().

    A read sees all that was durable when it was asked. Where a key is written twice (voucher, decision, private record,
    token, cursor) the last write wins. A Record whose first commit number is stored is passed over whole.
    """

    def __init__(
        self,
        path: Path,
        lock: StoreLock,
        writer: ConnectionThread,
        others: Sequence[ConnectionThread],
        meta: Meta,
        settings: StoreSettings,
        shard_of: ShardOf,
        remake: Remake | None,
    ) -> None:
        """Use open()."""
        self.incarnation = meta.incarnation
        self._path = path
        self._lock = lock
        self._writer = writer
        # Two, so that a long read of the log never stands before the question that each frame waits for.
        self._prober, self._reader, self._scrubber, keeper = others
        self._tally = Tally(meta.sets)
        self._floors = dict(meta.floors)
        self._topics = TopicNumbers(shard_of)
        self._remake = remake
        self._position: Position | None = Position()
        self._settings = settings
        self._usage: Usage | None = None
        self.on_quarantined: Callable[[Sequence[Aside]], None] = lambda _rows: None
        """Called on the loop with each row that was moved aside, for whoever asks peers for its ids."""
        self.quarantined = self.repaired = 0
        """Rows that were moved aside, and rows that were made again from their items, since open()."""
        self._setting_aside = asyncio.Lock()
        self._moved: dict[tuple[object, ...], None] = {}
        self.troubles = Troubles(self._probe)
        """What the disk refuses, if anything."""
        self.salvaged: Salvaged | None = None
        """Set where open() found the file damaged."""
        self.damage = asyncio.Event()
        """Set when pages of the file turn out not to fit each other: close the store and open it anew, which salvages
        it. Until then what can be read is."""
        self._sweep = expiry.Sweep()
        self._checkpointer = Checkpointer(keeper, settings.checkpoint_interval_s, settings.checkpoint_bytes)
        self._closed = False
        self._group_commit = GroupCommit(self._write, settings, meta.last_commit)
        self.receipt_chain: ReceiptChain | None = None
        """What is published is sealed where there is one."""
        self._seals: deque[StoredSeal] = deque(maxlen=SEALS_AT_HAND)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        new_incarnation: bytes,
        settings: StoreSettings | None = None,
        shard_of: ShardOf = one_shard,
        remake: Remake | None = None,
        issuer: Issuer | None = None,
    ) -> "Store":
        """Open or create the store and bring it to the newest schema.

        `new_incarnation` is 16 random bytes, used for a new file only. `shard_of` is the network's rule; it must not
        change in the life of a file. `remake` reads a stored frame: with it rows that were lost beside an item are made
        again. Without `issuer` nobody gets receipts. Raises StoreError with one sentence: in use, not a store, of a
        newer version, folder or disk unusable.
        """
        if len(new_incarnation) != 16:
            raise ValueError("an incarnation has 16 bytes")
        settings = settings or StoreSettings()
        lock = StoreLock(path)
        prepare = partial(
            prepare_writer,
            new_incarnation=bytes.fromhex(lock.incarnation) if lock.incarnation else new_incarnation,
            settings=settings,
            shard_of=shard_of,
            was_ours=bool(lock.incarnation),
        )
        salvaged = None
        try:
            check_was_not_emptied(path, lock.incarnation)
            try:
                threads, meta, receipts = await _start(path, prepare, settings, issuer)
            except (StoreDamaged, Damaged):
                salvaged = await asyncio.to_thread(
                    salvage, path, prepare, shard_of, remake, time.time_ns() // 1_000_000
                )
                threads, meta, receipts = await _start(path, prepare, settings, issuer)
        except BaseException as error:
            lock.release()
            if isinstance(error, StoreFailed):
                raise StoreError(f"the store {path} cannot be opened: {error.reason}") from error
            raise
        lock.remember(meta.incarnation.hex())
        store = cls(path, lock, threads[0], threads[1:], meta, settings, shard_of, remake)
        store.salvaged = salvaged
        store.receipt_chain = receipts
        return store

    # Writing

    @property
    def last_commit(self) -> int:
        """The highest commit number that is durable; 0 in a new store. It never falls, whatever expires."""
        return self._group_commit.last_commit

    async def commit(self, writes: Sequence[Write]) -> None:
        """Return when the writes are durable: all of them, or none.

        Concurrent calls are merged in the order of the calls. A mark names a record that was committed before it or
        stands before it in the call. Raises StoreBusy at once when the queue is full, and StoreFailed when the disk
        refused: nothing of the call is stored then, and it may be tried again. A cancelled caller does not know which.
        """
        await self._group_commit.commit(writes)

    async def expire(self, now_ms: int, limit: int, before_epoch: int = 0) -> bool:
        """Remove at most `limit` expired items, and some of the rows that nobody needs any more; of vouchers those of
        epochs before `before_epoch`.

        Call it from time to time, and at once again while it says that there is much more to remove.
        """
        expired = await self._write_soundly(self._expire, now_ms, limit, before_epoch)
        self._tally.remove(expired.sets)
        return expired.items == limit or max(expired.rows.values()) * WORTHWHILE >= limit

    def _expire(self, connection: sqlite3.Connection, now_ms: int, limit: int, before_epoch: int) -> expiry.Expired:
        expired = expiry.expire(connection, now_ms, limit, self._sweep, before_epoch)
        self._topics.forget(expired.topic_nos)  # before the next transaction could use them
        return expired

    async def close(self) -> None:
        """Write what is queued, empty the log into the file, let go of the lock. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self.troubles.close()
        await self._group_commit.close()
        await self._checkpointer.close()
        for reader in (self._prober, self._reader, self._scrubber):
            await reader.close()
        # Where the disk refuses nothing is lost: the log keeps it all, and the next open() reads it.
        with suppress(StoreFailed):
            await self._writer.run(checkpoint, "TRUNCATE")
        await self._writer.close()
        self._lock.release()

    async def stats(self) -> StoreStats:
        """Counters and sizes; cheap enough for each scrape."""
        group = self._group_commit
        return StoreStats(
            items=self._tally.total.items,
            last_commit=group.last_commit,
            file_bytes=size_of(self._path),
            wal_bytes=size_of(self._path.with_name(self._path.name + "-wal")),
            queued_calls=group.queued_calls,
            queued_bytes=group.queued_bytes,
            transactions=group.transactions,
            calls=group.calls,
            writes=group.writes,
            failed_transactions=group.failed_transactions,
            busy_refusals=group.busy_refusals,
            checkpoints=self._checkpointer.count,
            quarantined=self.quarantined,
            repaired=self.repaired,
        )

    async def _write(self, writes: list[Write]) -> Written:
        try:
            written = await self._write_soundly(write_group, writes, self._topics, self.last_commit, self.receipt_chain)
        except StoreFailed as failure:
            self.troubles.met(failure)
            raise
        self.troubles.over()
        self._tally.add(written.added)
        self._seals.extendleft(written.seals)
        self._checkpointer.wrote()
        return written

    async def _probe(self) -> None:
        await self._writer.run(upkeep.probe)

    # Keeping within bounds

    @property
    def sets(self) -> Mapping[int, Amount]:
        """What is held of each set: a shard's number, or CONTROL_SET."""
        return self._tally.sets

    @property
    def floors(self) -> Mapping[int, int]:
        """By set, where anything was let go before its end: all that ends at this time (ms) or later is there."""
        return self._floors

    @property
    def room(self) -> Room:
        """What may come in, as of the last measure()."""
        used = self._usage
        settings = self._settings
        return Room.FREE if used is None else upkeep.room_of(used, settings.budget_bytes, settings.min_free_bytes)

    async def measure(self) -> Usage:
        """How much of the file is in use, and how much the disk has left; `room` follows from it."""
        self._usage = await self._writer.run(upkeep.usage, self._path)
        return self._usage

    async def prune(self, now_ms: int, needed_since_ms: int, limit: int) -> bool:
        """Let go of at most `limit` items of each set that has too much, the soonest end first, and raise its floor.

        What was issued since `needed_since_ms` stays, and what a receipt promises. Whether there may be more."""
        settings, used, total = self._settings, self._usage, self._tally.total
        over_bytes = used.used_bytes - settings.prune_to_bytes if used and settings.budget_bytes else 0
        bounds = Bounds(settings.max_envelopes, settings.max_bytes, settings.max_age_ms)
        found = {
            number: excess_of(amount, total, bounds, over_bytes, now_ms) for number, amount in self._tally.sets.items()
        }
        excesses = {number: excess for number, excess in found.items() if excess.is_any}
        if not excesses:
            return False
        pruned = await self._writer.run(retention.prune, excesses, now_ms, needed_since_ms, limit)
        self._tally.remove(pruned.sets)
        self._floors.update({n: max(floor, self._floors.get(n, 0)) for n, floor in pruned.floors.items()})
        return any(amount.items >= limit for amount in pruned.sets.values())

    async def vacuum(self, pages: int) -> bool:
        """Give at most so many free pages back to the disk; whether there are more."""
        used = self._usage or await self.measure()
        return await self._writer.run(upkeep.vacuum_step, used, pages) > 0

    # Damage

    async def scrub(self, limit: int) -> Seen:
        """Look at the next `limit` rows: move aside what is damaged, make again what an item lacks. After the last row
        it begins anew."""
        seen = await self._read(self._scrubber, look, self._position or Position(), limit, self._remake)
        for damage in seen.damaged:
            await self._set_aside(damage)
        if seen.missing:
            await self._writer.run(_write_all_missing, list(seen.missing.values()))
            self.repaired += sum(len(rows) for missing in seen.missing.values() for rows in missing.values())
        self._position = seen.position
        return seen

    async def quarantine(self, limit: int) -> list[Aside]:
        """The rows that were moved aside last, the newest first."""
        return await self._read(self._reader, quarantine.read_quarantine, limit)

    async def missing_ids(self, limit: int) -> list[bytes]:
        """Ids that stood in rows which were moved aside, and are not held under another number since."""
        return await self._read(self._reader, quarantine.missing_ids, limit)

    async def _set_aside(self, damage: Damaged) -> None:
        """Once for each row, however many questions met it at the same time."""
        row = (damage.table.name, quarantine.key_of(damage.table, damage.row))
        async with self._setting_aside:
            if row in self._moved:
                return
            try:
                aside = await self._writer.run(quarantine.set_aside, damage, _now_ms(), self._remake)
            except StoreDamaged as failure:
                self._mark(failure)
                raise
            if aside is None:
                return
            self._moved[row] = None
            if len(self._moved) > quarantine.KEPT_ROWS:
                del self._moved[next(iter(self._moved))]
        self.quarantined += 1
        if aside.table == "items":
            self._tally = Tally(await self._writer.run(count_sets))
        self.on_quarantined([aside])

    async def _write_soundly(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """On the writer; a row that turns out damaged on the way is moved aside, and all is done again."""
        for _ in range(MAX_DAMAGED_ROWS):
            try:
                return await self._writer.run(function, *args, **kwargs)
            except Damaged as damage:
                await self._set_aside(damage)
            except StoreDamaged as failure:
                self._mark(failure)
                raise
        raise StoreDamaged("too many damaged rows")

    async def _read(
        self,
        thread: ConnectionThread,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """On a reading connection; a damaged row is moved aside, and the question asked again."""
        for _ in range(MAX_DAMAGED_ROWS):
            try:
                return await thread.run(function, *args, **kwargs)
            except Damaged as damage:
                await self._set_aside(damage)
                await thread.run(_forget_pages)
            except StoreDamaged as failure:
                self._mark(failure)
                raise
        raise StoreDamaged("too many damaged rows")

    def _mark(self, failure: StoreDamaged) -> None:
        """Remember it for the next opening, which looks through the whole file and salvages it if need be."""
        with suppress(OSError):
            mark_of(self._path).write_text(f"{failure.reason}\n")
        self.damage.set()

    # The engine's questions

    async def holders(self, ranges: Sequence[SlotRange]) -> list[list[Holder]]:
        """For each range the envelopes that hold some of its slots, by commit number. One hop for the whole list."""
        return await self._read(self._prober, slots.holders, ranges) if ranges else []

    async def find(self, id: bytes, issued_at: int | None) -> StoredEnvelope | None:
        """The envelope of an id. With its issued-at (ms) one probe, without it one an hour bucket, the newest first."""
        return await self._read(self._prober, items.find, id, issued_at)

    async def state(self, after: int, limit: int) -> list[StoredItem]:
        """At most `limit` items of all kinds but notifications after a commit number, in commit order, for replay."""
        return await self._read(self._reader, items.state, after, limit)

    async def log(self, after: int, max_bytes: int) -> list[StoredItem]:
        """Items of all kinds after a commit number, in commit order: `max_bytes` of data at most, but at least one.

        When `after` points into a run, the run is given whole. Empty at the end.
        """
        return await self._read(self._reader, items.log, after, max_bytes)

    async def due(self, now_ms: int, limit: int) -> list[StoredDue]:
        """The first `limit` scheduled envelopes whose time has come. Each stays until a DueRecord or Unscheduled."""
        return await self._read(self._reader, items.due, now_ms, limit)

    # Receipts

    async def held(self, wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
        """For each (id, issued-at ms) whether its envelope is stored: one probe each, one hop for all."""
        return await self._read(self._reader, items.held, wanted)

    async def expiries(self, commit_nos: Sequence[int]) -> dict[int, int]:
        """When (ms) the items that hold these numbers expire; those that are gone are left out."""
        return await self._read(self._reader, items.expiries, commit_nos)

    async def seals(self, commit_nos: Sequence[int]) -> list[StoredSeal]:
        """The seals that cover these commit numbers, each once; what no publisher was told of has none."""
        found: dict[int, StoredSeal] = {}
        missing = set(commit_nos)
        for seal in self._seals:  # the newest first: nearly always it is the one that is asked for
            if not missing:
                break
            if not missing.isdisjoint(seal.commits):
                found[seal.words.number] = seal
                missing.difference_update(seal.commits)
        if missing:
            for seal in await self._read(self._reader, find_seals, sorted(missing)):
                found[seal.words.number] = seal
        return list(found.values())

    async def seals_after(self, number: int, limit: int) -> list[SealWords]:
        """Seals that are still kept, by number; the last one of the chain always is."""
        return await self._read(self._reader, seals_after, number, limit)

    async def origins_owed(self) -> list[bytes]:
        """Nodes that are owed outcomes."""
        return await self._read(self._reader, outcomes.origins_owed)

    async def owed(self, origin: bytes, limit: int) -> list[Owed]:
        """The first `limit` outcomes that an origin was not told, by id."""
        return await self._read(self._reader, outcomes.owed, origin, limit)

    async def outcome_rows(self) -> tuple[int, int]:
        """How many outcomes are kept: of this node's wallets, and what others told. Counts through both tables."""
        return await self._read(self._reader, outcomes.row_counts)

    async def reached(self, commit_no: int) -> list[ReachedRecord]:
        """What other nodes told about a notification in total, by node and level."""
        return await self._read(self._reader, outcomes.totals, commit_no)

    async def recipients(self, commit_no: int, after: bytes, limit: int) -> list[ReachedRecord]:
        """The first `limit` wallets after an account that were named, by account and node."""
        return await self._read(self._reader, outcomes.recipients, commit_no, after, limit)

    # Messages; none of these gives a void one, or one whose time has not come

    async def topic_messages(
        self, topics: Sequence[Topic], after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        """The oldest `limit` notifications to all subscribers of these topics between the numbers (exclusive)."""
        return await self._read(self._reader, inbox.topic_messages, topics, after, before, limit)

    async def targeted_messages(
        self, account: bytes, after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        """The oldest `limit` notifications that list the account between the numbers (exclusive)."""
        return await self._read(self._reader, inbox.targeted_messages, account, after, before, limit)

    async def inbox(self, account: bytes, topics: Sequence[Topic], after: int, limit: int) -> list[StoredEnvelope]:
        """Both merged: a wallet's oldest `limit` messages after a commit number. Fewer than `limit` mean the end."""
        return await self._read(self._reader, inbox.inbox, account, topics, after, limit)

    async def voids(self, after: int, before: int) -> set[int]:
        """The void commit numbers between the two (both exclusive)."""
        return await self._read(self._reader, inbox.void_numbers, after, before)

    async def is_void(self, commit_nos: Sequence[int]) -> set[int]:
        """Those of the commit numbers that are void."""
        return await self._read(self._reader, items.voids_among, commit_nos)

    # Sync

    async def records(
        self, after: sync_rows.Position, limit: int
    ) -> tuple[list[sync_rows.RecordRow], sync_rows.Position | None]:
        """All records, a part at a time, in the order of their slots; where to go on, None at the end."""
        return await self._read(self._reader, sync_rows.records, after, limit)

    async def of_author(self, author: bytes, first_epoch: int, after: int, limit: int) -> list[int]:
        """The first commit numbers of an author's records of these epochs after a number, ascending."""
        return await self._read(self._reader, sync_rows.of_author, author, first_epoch, after, limit)

    async def numbers_of(self, asked: Sequence[tuple[int, bytes]]) -> dict[bytes, int]:
        """The commit numbers of those of the (issued-at ms, id) that are stored."""
        return await self._read(self._prober, sync_rows.held, asked) if asked else {}

    async def heads(self, commit_nos: Sequence[int]) -> dict[int, sync_rows.HeadRow]:
        """What holds each of these commit numbers; what is gone is left out."""
        return await self._read(self._reader, sync_rows.heads, commit_nos) if commit_nos else {}

    async def frames(self, first_commits: Sequence[int]) -> dict[int, tuple[int, bytes]]:
        """(envelopes, frame) of records by their first commit numbers; what is gone is left out."""
        return await self._read(self._reader, sync_rows.frames, first_commits) if first_commits else {}

    async def envelopes(self, commit_nos: Sequence[int]) -> list[StoredEnvelope]:
        """The envelopes with these commit numbers in their order; what is gone is left out."""
        return await self._read(self._reader, items.envelopes, commit_nos) if commit_nos else []

    # Keyed records

    async def vouchers(self, epoch: int) -> list[VoucherRecord]:
        """All vouchers of an epoch by (account, key, stream), those with an equivocation too."""
        return await self._read(self._reader, keyed.vouchers, epoch)

    async def epoch_totals(self, epoch: int) -> list[tuple[bytes, int, int]]:
        """(account, count, units) of an epoch by account; a stream with an equivocation counts nothing (SPEC 10.2)."""
        return await self._read(self._reader, keyed.epoch_totals, epoch)

    async def decisions(self, account: bytes, commit_nos: Sequence[int]) -> list[DecisionRecord]:
        """The decisions about these messages for the wallet, as long as a message is held, by commit number."""
        return await self._read(self._reader, keyed.decisions, account, commit_nos)

    async def decision(self, account: bytes, commit_no: int) -> DecisionRecord | None:
        """Why the wallet did not get the message, if anything was decided but `now`; a scheduled one was decided about
        under the number that inboxes show it under."""
        return await self._read(self._reader, keyed.decision, account, commit_no)

    async def preferences(self) -> list[PrivateRecord]:
        """Every wallet's newest private envelope of each kind, by (account, kind)."""
        return await self._read(self._reader, keyed.private_records)

    async def tokens(self) -> list[TokenRecord]:
        """All tokens that are remembered, the revoked too, by digest."""
        return await self._read(self._reader, keyed.tokens)

    async def cursor(self, account: bytes, device: str) -> CursorRecord | None:
        """How far a wallet's device has acknowledged."""
        return await self._read(self._reader, keyed.cursor, account, device)

    async def wallets(self) -> list[tuple[bytes, int]]:
        """(account, when one of its devices last acknowledged) of every wallet with a cursor, by account."""
        return await self._read(self._reader, keyed.wallets)

    async def peers(self) -> list[PeerEntry]:
        """The peer book, those connected last first."""
        return await self._read(self._reader, read_peers)


async def _start(
    path: Path, prepare: Callable[..., Meta], settings: StoreSettings, issuer: Issuer | None
) -> tuple[list[ConnectionThread], Meta, ReceiptChain | None]:
    """The writer first, and four that read; none is left behind where one fails."""
    threads: list[ConnectionThread] = []
    try:
        drop_cut_log(path)
        suspect = is_suspect(path)
        check_can_open(path)
        threads.append(writer := await ConnectionThread.start(path))
        meta = await writer.run(prepare, path, is_suspect=suspect)
        receipts = None if issuer is None else await writer.run(read_chain, issuer, meta.incarnation)
        for _other in range(4):
            threads.append(other := await ConnectionThread.start(path))
            await other.run(prepare_reader, settings)
    except BaseException:
        for thread in threads:
            await thread.close()
        raise
    return threads, meta, receipts


def _write_all_missing(connection: sqlite3.Connection, found: Sequence[Missing]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for missing in found:
            write_missing(connection, missing)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _forget_pages(connection: sqlite3.Connection) -> None:
    """What was damaged may have been a page in this connection's memory."""
    connection.execute("PRAGMA shrink_memory")
