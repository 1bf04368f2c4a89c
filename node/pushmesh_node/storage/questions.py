"""What may be asked of a store. No question changes anything; a damaged row that one meets is moved aside first."""

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.receipts import SealWords

from ..engine.records import (
    CursorRecord,
    DecisionRecord,
    GuestRecord,
    Holder,
    Owed,
    PeerEntry,
    PrivateRecord,
    PrivateTopicRecord,
    ReachedRecord,
    ReadRecord,
    SlotRange,
    StoredDue,
    StoredEnvelope,
    StoredItem,
    StoredSeal,
    TokenRecord,
    VoucherRecord,
)
from . import inbox, items, keyed, outcomes, quarantine, slots, sync_rows
from .mending import Mending
from .peers import read_peers
from .quarantine import Aside
from .receipts import find_seals, seals_after
from .thread import ConnectionThread

P = ParamSpec("P")
T = TypeVar("T")

SEALS_AT_HAND = 64
"""Seals of the last transactions, whose receipts are asked for at once."""


class Questions:
    """All raise StoreFailed when the disk fails or after close(), and see all that was durable when they were asked."""

    def __init__(self, mending: Mending, prober: ConnectionThread, reader: ConnectionThread) -> None:
        self.mending = mending
        # Two, so that a long read of the log never stands before the question that each frame waits for.
        self._prober = prober
        self._reader = reader
        self._seals: deque[StoredSeal] = deque(maxlen=SEALS_AT_HAND)  # of the last transactions, the newest first

    def _ask(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        return self.mending.read(self._reader, function, *args, **kwargs)

    def _ask_at_once(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        return self.mending.read(self._prober, function, *args, **kwargs)

    # The engine's questions

    async def holders(self, ranges: Sequence[SlotRange]) -> list[list[Holder]]:
        """For each range the envelopes that hold some of its slots, by commit number. One hop for the whole list."""
        return await self._ask_at_once(slots.holders, ranges) if ranges else []

    async def find(self, id: bytes, issued_at: int | None) -> StoredEnvelope | None:
        """The envelope of an id. With its issued-at (ms) one probe, without it one an hour bucket, the newest first."""
        return await self._ask_at_once(items.find, id, issued_at)

    async def state(self, after: int, limit: int) -> list[StoredItem]:
        """At most `limit` items of all kinds but notifications after a commit number, in commit order, for replay."""
        return await self._ask(items.state, after, limit)

    async def collapsing(self, after: int, limit: int) -> tuple[list[StoredEnvelope], int | None]:
        """Of the next `limit` notifications with a collapse key those that count, and the number to go on after."""
        return await self._ask(items.collapsing, after, limit)

    async def find_all(self, ids: Sequence[bytes], since_ms: int) -> list[StoredEnvelope]:
        """The envelopes of those ids that are held and were issued since then: a probe of each hour for each, the
        newest hour first."""
        return await self._ask(items.find_all, ids, since_ms) if ids else []

    async def log(self, after: int, max_bytes: int) -> list[StoredItem]:
        """Items of all kinds after a commit number, in commit order: `max_bytes` of data at most, but at least one.

        When `after` points into a run, the run is given whole. Empty at the end.
        """
        return await self._ask(items.log, after, max_bytes)

    async def due(self, now_ms: int, limit: int) -> list[StoredDue]:
        """The first `limit` scheduled envelopes whose time has come. Each stays until a DueRecord or Unscheduled."""
        return await self._ask(items.due, now_ms, limit)

    # Receipts

    async def held(self, wanted: Sequence[tuple[bytes, int]]) -> list[bool]:
        """For each (id, issued-at ms) whether its envelope is stored: one probe each, one hop for all."""
        return await self._ask(items.held, wanted)

    async def expiries(self, commit_nos: Sequence[int]) -> dict[int, int]:
        """When (ms) the items that hold these numbers expire; those that are gone are left out."""
        return await self._ask(items.expiries, commit_nos)

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
            for seal in await self._ask(find_seals, sorted(missing)):
                found[seal.words.number] = seal
        return list(found.values())

    async def seals_after(self, number: int, limit: int) -> list[SealWords]:
        """Seals that are still kept, by number; the last one of the chain always is."""
        return await self._ask(seals_after, number, limit)

    async def origins_owed(self) -> list[bytes]:
        """Nodes that are owed outcomes."""
        return await self._ask(outcomes.origins_owed)

    async def owed(self, origin: bytes, limit: int) -> list[Owed]:
        """The first `limit` outcomes that an origin was not told, by id."""
        return await self._ask(outcomes.owed, origin, limit)

    async def outcome_rows(self) -> tuple[int, int]:
        """How many outcomes are kept: of this node's wallets, and what others told. Counts through both tables."""
        return await self._ask(outcomes.row_counts)

    async def reached(self, commit_no: int) -> list[ReachedRecord]:
        """What other nodes told about a notification in total, by node and level."""
        return await self._ask(outcomes.totals, commit_no)

    async def recipients(self, commit_no: int, after: bytes, limit: int) -> list[ReachedRecord]:
        """The first `limit` wallets after an account that were named, by account and node."""
        return await self._ask(outcomes.recipients, commit_no, after, limit)

    # Messages; none of these gives a void one, or one whose time has not come

    async def topic_messages(
        self, topics: Sequence[Topic], after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        """The oldest `limit` notifications to all subscribers of these topics between the numbers (exclusive)."""
        return await self._ask(inbox.topic_messages, topics, after, before, limit)

    async def targeted_messages(
        self, account: bytes, after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        """The oldest `limit` notifications that list the account between the numbers (exclusive)."""
        return await self._ask(inbox.targeted_messages, account, after, before, limit)

    async def inbox(self, account: bytes, topics: Sequence[Topic], after: int, limit: int) -> list[StoredEnvelope]:
        """Both merged: a wallet's oldest `limit` messages after a commit number. Fewer than `limit` mean the end."""
        return await self._ask(inbox.inbox, account, topics, after, limit)

    async def voids(self, after: int, before: int) -> set[int]:
        """The void commit numbers between the two (both exclusive)."""
        return await self._ask(inbox.void_numbers, after, before)

    async def is_void(self, commit_nos: Sequence[int]) -> set[int]:
        """Those of the commit numbers that are void."""
        return await self._ask(items.voids_among, commit_nos)

    async def is_late(self, commit_nos: Sequence[int]) -> set[int]:
        """Those of the commit numbers that are late (SPEC 7.9)."""
        return await self._ask(items.late_among, commit_nos)

    # Sync

    async def records(
        self, after: sync_rows.Position, limit: int
    ) -> tuple[list[sync_rows.RecordRow], sync_rows.Position | None]:
        """All records, a part at a time, in the order of their slots; where to go on, None at the end."""
        return await self._ask(sync_rows.records, after, limit)

    async def of_author(self, author: bytes, first_epoch: int, after: int, limit: int) -> list[int]:
        """The first commit numbers of an author's records of these epochs after a number, ascending."""
        return await self._ask(sync_rows.of_author, author, first_epoch, after, limit)

    async def numbers_of(self, asked: Sequence[tuple[int, bytes]]) -> dict[bytes, int]:
        """The commit numbers of those of the (issued-at ms, id) that are stored."""
        return await self._ask_at_once(sync_rows.held, asked) if asked else {}

    async def heads(self, commit_nos: Sequence[int]) -> dict[int, sync_rows.HeadRow]:
        """What holds each of these commit numbers; what is gone is left out."""
        return await self._ask(sync_rows.heads, commit_nos) if commit_nos else {}

    async def frames(self, first_commits: Sequence[int]) -> dict[int, tuple[int, bytes]]:
        """(envelopes, frame) of records by their first commit numbers; what is gone is left out."""
        return await self._ask(sync_rows.frames, first_commits) if first_commits else {}

    async def envelopes(self, commit_nos: Sequence[int]) -> list[StoredEnvelope]:
        """The envelopes with these commit numbers in their order; what is gone is left out."""
        return await self._ask(items.envelopes, commit_nos) if commit_nos else []

    # Keyed records

    async def vouchers(self, epoch: int) -> list[VoucherRecord]:
        """All vouchers of an epoch by (account, key, stream), those with an equivocation too."""
        return await self._ask(keyed.vouchers, epoch)

    async def epoch_totals(self, epoch: int) -> list[tuple[bytes, int, int]]:
        """(account, count, units) of an epoch by account; a stream with an equivocation counts nothing (SPEC 10.2)."""
        return await self._ask(keyed.epoch_totals, epoch)

    async def decisions(self, account: bytes, commit_nos: Sequence[int]) -> list[DecisionRecord]:
        """The decisions about these messages for the wallet, as long as a message is held, by commit number."""
        return await self._ask(keyed.decisions, account, commit_nos)

    async def decision(self, account: bytes, commit_no: int) -> DecisionRecord | None:
        """Why the wallet did not get the message, if anything was decided but `now`; a scheduled one was decided about
        under the number that inboxes show it under."""
        return await self._ask(keyed.decision, account, commit_no)

    async def preferences(self) -> list[PrivateRecord]:
        """Every wallet's newest private envelope of each kind, by (account, kind)."""
        return await self._ask(keyed.private_records)

    async def private_topics(self) -> list[PrivateTopicRecord]:
        """Every wallet's newest private word on each topic, by (account, topic)."""
        return await self._ask(keyed.private_topics)

    async def tokens(self) -> list[TokenRecord]:
        """All tokens that are remembered, the revoked too, by digest."""
        return await self._ask(keyed.tokens)

    async def guests(self) -> list[GuestRecord]:
        """All wallets that asked for a bridge, those that took it back too, by (bridge, account)."""
        return await self._ask(keyed.guests)

    async def cursors(self, groups: Sequence[tuple[bytes, str]]) -> list[list[CursorRecord]]:
        """For each (account, prefix) how far its devices have acknowledged, the one heard of last at the end. The empty
        prefix is for those that do not stand apart (`APART`). One hop for the whole list."""
        return await self._ask(keyed.cursors, groups)

    async def reads(self, wanted: Sequence[tuple[bytes, str]]) -> list[ReadRecord | None]:
        """For each (account, restriction) what it has read. One hop for the whole list."""
        return await self._ask(keyed.reads, wanted)

    async def wallet_rows(self) -> tuple[int, int]:
        """How many devices are remembered, and of how many wallets what they have read. Counts through both tables."""
        return await self._ask(keyed.wallet_rows)

    async def wallets(self) -> list[tuple[bytes, int]]:
        """(account, when one of its devices last acknowledged) of every wallet with a cursor, by account."""
        return await self._ask(keyed.wallets)

    async def peers(self) -> list[PeerEntry]:
        """The peer book, those connected last first."""
        return await self._ask(read_peers)

    # Damage

    async def quarantine(self, limit: int) -> list[Aside]:
        """The rows that were moved aside last, the newest first."""
        return await self._ask(quarantine.read_quarantine, limit)

    async def missing_ids(self, limit: int) -> list[bytes]:
        """Ids that stood in rows which were moved aside, and are not held under another number since."""
        return await self._ask(quarantine.missing_ids, limit)
