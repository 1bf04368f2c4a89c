"""The store of a node: one SQLite file; one connection writes, two read, two tidy up. This class is the contract."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..engine.records import (
    Write,
)
from . import expiry, retention, upkeep
from .checkpoints import Checkpointer, checkpoint
from .derived import Missing, Remake, write_missing
from .errors import StoreDamaged, StoreError, StoreFailed
from .files import Meta, check_was_not_emptied, prepare_writer, size_of
from .group_commit import GroupCommit
from .lock import StoreLock
from .mending import Mending
from .opening import start
from .questions import Questions
from .receipts import Issuer, ReceiptChain
from .retention import Bounds, excess_of
from .salvage import Salvaged, salvage
from .scrub import Position, Seen, check_order, look
from .sets import ShardOf, one_shard
from .settings import StoreSettings
from .stats import StoreStats
from .sums import Damaged
from .tally import Amount, Tally
from .thread import ConnectionThread
from .topics import TopicNumbers
from .transaction import Written, write_group
from .trouble import Troubles
from .upkeep import Room, Usage

WORTHWHILE = 8
"""A walk goes on at once while every eighth row is dead, so that no table keeps more dead rows than that for long,
however many rows an item has."""


class Store(Questions):
    """Opened with open(), ended with close(). Where a key is written twice (voucher, decision, private record,
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
        keep_ms: int,
    ) -> None:
        """Use open()."""
        self.incarnation = meta.incarnation
        self.in_sync_ms = meta.in_sync_ms
        """When this node was in sync last: as an earlier life left it, or as whoever commits the mark says."""
        self._path = path
        self._places = upkeep.places_of(path)
        self._lock = lock
        self._writer = writer
        prober, reader, self._scrubber, keeper = others
        self._tally = Tally(meta.sets)
        super().__init__(Mending(path, writer, remake, self._recount, keep_ms), prober, reader)
        self._floors = dict(meta.floors)
        self._topics = TopicNumbers(shard_of)
        self._remake = remake
        self._position: Position | None = Position()
        self._settings = settings
        self._usage: Usage | None = None
        self.troubles = Troubles(self._probe)
        """What the disk refuses, if anything."""
        self.salvaged: Salvaged | None = None
        """Set where open() found the file damaged."""
        self._sweep = expiry.Sweep()
        self._checkpointer = Checkpointer(keeper, settings.checkpoint_interval_s, settings.checkpoint_bytes)
        self._closed = False
        self._group_commit = GroupCommit(self._write, settings, meta.last_commit)
        self.receipt_chain: ReceiptChain | None = None
        """What is published is sealed where there is one."""

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
        keep_ms = 0 if issuer is None else issuer.keep_ms
        prepare = partial(
            prepare_writer,
            new_incarnation=bytes.fromhex(lock.incarnation) if lock.incarnation else new_incarnation,
            settings=settings,
            shard_of=shard_of,
            was_ours=bool(lock.incarnation),
            remake=remake,
        )
        salvaged = None
        try:
            check_was_not_emptied(path, lock.incarnation)
            try:
                started = await start(path, prepare, settings, issuer, remake)
            except (StoreDamaged, Damaged):
                salvaged = await asyncio.to_thread(
                    salvage, path, prepare, shard_of, remake, time.time_ns() // 1_000_000, keep_ms
                )
                started = await start(path, prepare, settings, issuer, remake)
        except BaseException as error:
            lock.release()
            if isinstance(error, StoreFailed):
                raise StoreError(f"the store {path} cannot be opened: {error.reason}") from error
            raise
        lock.remember(started.meta.incarnation.hex())
        writer, *others = started.threads
        store = cls(path, lock, writer, others, started.meta, settings, shard_of, remake, keep_ms)
        store.salvaged = salvaged
        store.receipt_chain = started.receipts
        store.mending.quarantined = started.quarantined
        return store

    # Writing

    @property
    def last_commit(self) -> int:
        """The highest commit number that is durable; 0 in a new store. It never falls, whatever expires."""
        return self._group_commit.last_commit

    async def caught_up(self) -> None:
        """For those who can wait before they commit: returns when little waits for the disk."""
        await self._group_commit.caught_up()

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
        expired = await self.mending.write(self._expire, now_ms, limit, before_epoch)
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
            quarantined=self.mending.quarantined,
            repaired=self.mending.repaired,
        )

    async def _write(self, writes: list[Write]) -> Written:
        try:
            written = await self.mending.write(write_group, writes, self._topics, self.last_commit, self.receipt_chain)
        except StoreFailed as failure:
            self.troubles.met(failure)
            raise
        self.troubles.over()
        self._tally.add(written.added)
        self._seals.extendleft(written.seals)
        self._checkpointer.wrote()
        return written

    def _recount(self, sets: Mapping[int, Amount]) -> None:
        self._tally = Tally(sets)

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

    async def check_place(self) -> None:
        """Raise StoreError where the open file is not the one that stands in the folder: what is committed now is lost
        with this process."""
        if not await asyncio.to_thread(upkeep.is_in_place, self._path, self._places):
            raise StoreError(
                f"the store {self._path} was removed or replaced while it was in use, so that nothing more is taken: "
                "start the node again; stop it first to put a backup in place with `pushmesh store restore`"
            )

    async def measure(self) -> Usage:
        """How much of the file is in use, and how much the disk has left; `room` follows from it."""
        self._usage = await self._writer.run(upkeep.usage, self._path)
        return self._usage

    async def prune(self, now_ms: int, needed_since_ms: int, limit: int) -> bool:
        """Let go of at most `limit` items of each set that has too much, the soonest end first, and raise its floor.

        What was issued since `needed_since_ms` stays, and what a receipt promises; where one was damaged, everything.
        Whether there may be more."""
        settings, used, total = self._settings, self._usage, self._tally.total
        over_bytes = used.used_bytes - settings.prune_to_bytes if used and settings.budget_bytes else 0
        bounds = Bounds(settings.max_envelopes, settings.max_bytes, settings.max_age_ms)
        found = {
            number: excess_of(amount, total, bounds, over_bytes, now_ms) for number, amount in self._tally.sets.items()
        }
        excesses = {number: excess for number, excess in found.items() if excess.is_any}
        if not excesses:
            return False
        pruned = await self.mending.write(retention.prune, excesses, now_ms, needed_since_ms, limit)
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
        it begins anew. Raises StoreDamaged where a row is missing because its table is out of order."""
        seen = await self.mending.read(self._scrubber, look, self._position or Position(), limit, self._remake)
        for damage in seen.damaged:
            await self.mending.set_aside(damage)
        if seen.missing:
            tables = sorted({table for missing in seen.missing.values() for table in missing})
            if problems := await self.mending.read(self._scrubber, check_order, tables):
                failure = StoreDamaged(problems[0])
                self.mending.mark(failure)
                raise failure
            await self._writer.run(_write_all_missing, list(seen.missing.values()))
            self.mending.repaired += sum(len(rows) for missing in seen.missing.values() for rows in missing.values())
        self._position = seen.position
        return seen


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
