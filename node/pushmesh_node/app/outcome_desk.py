"""The origin's desk: takes what delivering nodes say became of its notifications, keeps what it can believe, and knows
how far each got (SPEC 12.9, 12.10)."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Notification, Scope, Subscription
from pushmesh_protocol.levels import ACKNOWLEDGED, DELIVERED
from pushmesh_protocol.network import Network
from pushmesh_protocol.outcomes import (
    Acknowledgement,
    OutcomeRow,
    OutcomeStatement,
    check_acknowledgement,
    check_outcome,
)
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from pushmesh_protocol.vouchers import Voucher

from ..engine.answers import Level, Wait
from ..engine.records import ReachedRecord
from ..engine.state import State
from ..metrics import Metrics
from ..storage.store import Store
from .opened import Opener
from .receipts import Held

MAX_TALLIES: Final = 16_384
"""Notifications whose totals are at hand; the rest are in the store."""


@dataclass(slots=True)
class Tally:
    """How many wallets each node told of, by level; a node's word is counted once, whatever it repeats."""

    totals: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def add(self, record: ReachedRecord) -> None:
        """Totals only grow."""
        if record.account is None:
            key = (record.node_id, record.level)
            self.totals[key] = max(self.totals.get(key, 0), record.count)

    def count(self, level: int) -> int:
        """Over all nodes. A wallet that listens at two nodes counts at both: only names could tell."""
        return sum(count for (_, each), count in self.totals.items() if each == level)


class OutcomeDesk:
    """One for the node. `max_rows` bounds what is kept of what others say."""

    def __init__(
        self,
        network: Network,
        node_id: bytes,
        state: Callable[[], State],
        store: Store,
        opener: Opener,
        metrics: Metrics,
        clock: Callable[[], UnixMs],
        *,
        max_rows: int,
    ) -> None:
        self._network = network
        self._node_id = node_id
        self._state = state
        self._store = store
        self._opener = opener
        self._metrics = metrics
        self._clock = clock
        self._max_rows = max_rows
        self.rows = 0
        """About how many rows are kept; counted anew from time to time."""
        self._tallies: OrderedDict[bytes, Tally] = OrderedDict()
        self._changed: defaultdict[bytes, set[asyncio.Event]] = defaultdict(set)

    # What is known

    def reached(self, id_: bytes, wait: Wait) -> Level | None:
        """The highest of `delivered` and `acknowledged` that as many wallets as asked have reached."""
        tally = self._tallies.get(id_)
        if tally is None:
            return None
        if wait.level is Level.ACKNOWLEDGED and tally.count(ACKNOWLEDGED) >= wait.count:
            return Level.ACKNOWLEDGED
        return Level.DELIVERED if tally.count(DELIVERED) >= wait.count else None

    async def wait(self, held: Sequence[Held], level: Level, count: int) -> None:
        """Returns when so many wallets reached the level, for each of them; the caller bounds the wait."""
        changed = asyncio.Event()
        number = ACKNOWLEDGED if level is Level.ACKNOWLEDGED else DELIVERED
        missing = {each.id for each in held}
        for id_ in missing:
            self._changed[id_].add(changed)
        try:
            for each in held:
                await self.recall(each)
            while missing:
                changed.clear()
                for id_ in [id_ for id_ in missing if self._count(id_, number) >= count]:
                    missing.discard(id_)
                    self.unwatch(id_, changed)
                if missing:
                    await changed.wait()
        finally:
            for id_ in missing:
                self.unwatch(id_, changed)

    def watch(self, id_: bytes, changed: asyncio.Event) -> None:
        """Set the event whenever something more is known of a notification."""
        self._changed[id_].add(changed)

    def unwatch(self, id_: bytes, changed: asyncio.Event) -> None:
        """Idempotent."""
        watching = self._changed.get(id_)
        if watching is not None:
            watching.discard(changed)
            if not watching:
                del self._changed[id_]

    async def recall(self, held: Held) -> None:
        """Have a notification's totals at hand: after a restart they are in the store alone."""
        if held.id not in self._tallies:
            records = await self._store.reached(held.commit_no)
            tally = self._tally_of(held.id)
            for record in records:
                tally.add(record)

    def _count(self, id_: bytes, level: int) -> int:
        tally = self._tallies.get(id_)
        return 0 if tally is None else tally.count(level)

    def _tally_of(self, id_: bytes) -> Tally:
        tally = self._tallies.setdefault(id_, Tally())
        self._tallies.move_to_end(id_)
        while len(self._tallies) > MAX_TALLIES:
            self._tallies.popitem(last=False)
        return tally

    # What comes in

    async def take(self, statement: OutcomeStatement, signer: bytes) -> int:
        """Keep what can be believed of a statement that came from `signer`; durable on return. How many rows were
        refused. Raises Refusal where the statement as a whole is wrong, StoreBusy or StoreFailed to come again."""
        if statement.node_id != signer or statement.origin != self._node_id:
            wrong = "node id" if statement.node_id != signer else "origin"
            raise Refusal(Reason.BAD_OUTCOME, "12.9", wrong)
        await asyncio.to_thread(check_outcome, self._network, statement)
        kept: list[tuple[bytes, ReachedRecord]] = []
        refused = 0
        for row in statement.rows:
            try:
                kept += [(row.id, record) for record in await self._records_of(statement, row)]
            except Refusal as refusal:
                refused += 1
                self._metrics.acknowledgement("outcome-heard", refusal.reason)
        if kept:
            await self._store.commit([record for _, record in kept])
        self.rows += len(kept)
        for id_, record in kept:
            self._tally_of(id_).add(record)
            for event in self._changed.get(id_, ()):
                event.set()
        if refused < len(statement.rows):
            self._metrics.acknowledgement("outcome-heard", Reason.OK, len(statement.rows) - refused)
        return refused

    async def _records_of(self, statement: OutcomeStatement, row: OutcomeRow) -> list[ReachedRecord]:
        if self.rows >= self._max_rows:
            raise Refusal(Reason.STORE_FULL, "12.9", "too many outcomes are kept")
        envelope, commit_no = await self._notification(row)
        most = self._most_recipients(envelope)
        if row.count > most:
            raise Refusal(Reason.BAD_OUTCOME, "12.9", "count")
        ends_at = UnixMs(envelope.body.expires_at)
        await self.recall(Held(commit_no, envelope.id))
        at = min(statement.time, self._clock())

        def record(account: Account | None, level: int, count: int, time: int, evidence: bytes | None) -> ReachedRecord:
            return ReachedRecord(commit_no, statement.node_id, account, level, count, UnixMs(time), ends_at, evidence)

        records = [record(None, row.level, row.count, at, None)]
        for recipient in row.recipients:
            if not self.may_be_named(envelope, recipient.account):
                self._metrics.acknowledgement("outcome-heard", Reason.FORBIDDEN)
                continue
            if recipient.evidence is not None:
                await self.check_evidence(recipient.evidence, row.id, recipient.account, statement.node_id)
            evidence = None if recipient.evidence is None else pack(recipient.evidence)
            records.append(record(recipient.account, row.level, 1, min(recipient.at, at), evidence))
        return records

    async def _notification(self, row: OutcomeRow) -> tuple[Envelope, int]:
        stored = await self._store.find(row.id, row.issued_at)
        if stored is None:
            raise Refusal(Reason.NOT_FOUND, "12.9", "no such notification is held here")
        part, index = self._opener.open(stored)
        envelope = part.envelopes[index]
        if not self.is_origin_of(envelope):
            raise Refusal(Reason.FORBIDDEN, "12.9", "its outcomes are not this node's")
        return envelope, stored.commit_no

    def _most_recipients(self, envelope: Envelope) -> int:
        body = envelope.body
        if isinstance(body, Notification) and body.audience is not None:
            return len(body.audience)
        assert body.topic is not None  # a notification's body says so
        return max(1, len(self._state().subscriptions.subscribers(body.topic)))

    def is_origin_of(self, envelope: Envelope) -> bool:
        """Whether outcomes of it come here."""
        return isinstance(envelope.body, Notification) and envelope.body.origin == self._node_id

    def may_be_named(self, envelope: Envelope, account: Account) -> bool:
        """Whether it is for that wallet, and the wallet's subscription in force lets outcomes name it."""
        body = envelope.body
        if isinstance(body, Notification) and body.audience is not None and account not in body.audience:
            return False
        found = self._subscription(envelope, account)
        return found is not None and found.on and found.receipts

    def counts(self, envelope: Envelope, account: Account) -> bool:
        """Whether outcomes may tell of this wallet at all: of who reads by a private word alone they do not (SPEC
        4.25)."""
        body = envelope.body
        listed = isinstance(body, Notification) and body.audience is not None
        return listed or self.subscribes(envelope, account)

    def subscribes(self, envelope: Envelope, account: Account) -> bool:
        """Whether the wallet's public word on the topic is yes."""
        found = self._subscription(envelope, account)
        return found is not None and found.on

    def _subscription(self, envelope: Envelope, account: Account) -> Subscription | None:
        topic = envelope.body.topic
        assert topic is not None  # a notification's body says so
        found = self._state().subscriptions.in_force(account, topic, self._clock())
        return found.body if found is not None and isinstance(found.body, Subscription) else None

    def check_grant(self, voucher: Voucher) -> None:
        """Raise Refusal where its key may not sign vouchers for its account now."""
        session = Session(voucher.key, voucher.grant_id, voucher.signature, None)
        self._state().authority.check_live(voucher.account, session, Scope.VOUCHER, self._clock())

    async def check_evidence(self, evidence: Acknowledgement, id_: bytes, account: Account, node_id: bytes) -> None:
        """Raise Refusal where it is not that wallet's own word on that message, given to that node."""
        self.check_grant(evidence.voucher)
        await asyncio.to_thread(check_acknowledgement, self._network, evidence, id_, account, node_id)
