"""Wallets' inboxes: live messages to who listens, the rest from the store, curated the same way. Obeys
`delivery.contract.Inboxes`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from pushmesh_protocol.frames import Part
from pushmesh_protocol.leaf_frames import leaf_frames
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from pushmesh_protocol.vouchers import Voucher

from ..delivery.contract import Batch, Listener, Message, Page
from ..engine.answers import Denied, Permission, Principal
from ..engine.curator import DELIVERS
from ..engine.effects import Deliver
from ..engine.events import ListenerCame, ListenerLeft
from ..engine.records import DecisionRecord
from ..metrics import Metrics
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .devices import Devices
from .driver import Driver
from .fanout import Counting, Fanout
from .opened import Opener
from .store_words import telling_of_the_store
from .voucher_desk import VoucherDesk


class Inboxes:
    """Registers listeners, fans out what the engine orders, and reads pages."""

    def __init__(
        self,
        driver: Driver,
        store: Store,
        desk: VoucherDesk,
        devices: Devices,
        opener: Opener,
        metrics: Metrics,
        clock: Callable[[], UnixMs],
        crashed: Callable[[BaseException], None],
        told: Callable[[Account, Sequence[Message]], None] = lambda _account, _messages: None,
    ) -> None:
        """`crashed` takes our own faults, `told` what a wallet's transport took."""
        self._told = told
        self._driver = driver
        self._store = store
        self._desk = desk
        self.devices = devices
        self._opener = opener
        self._metrics = metrics
        self._clock = clock
        self._fanout = Fanout(Counting(metrics.decided, self.delivered_many, crashed), self.outdated, clock)

    # Live

    def incarnation(self) -> bytes:
        """16 bytes of this node's store."""
        return self._store.incarnation

    def listen(self, listener: Listener) -> int:
        """Register for live messages after the commit number that is returned."""
        seam = self._driver.engine.last_commit
        self._fanout.come(listener, seam)
        self._driver.handle(ListenerCame(listener.principal.account))
        return seam

    def forget(self, listener: Listener) -> None:
        """Idempotent."""
        if self._fanout.go(listener):
            self._driver.handle(ListenerLeft(listener.principal.account))

    def listeners(self, account: Account) -> Iterable[Listener]:
        """The live streams of a wallet."""
        return self._fanout.listeners(account)

    def recount(self) -> None:
        """Tell a new engine about every listener, after a reload."""
        for account in self._fanout.accounts():
            self._driver.handle(ListenerCame(account))

    def deliver(self, orders: Sequence[Deliver]) -> None:
        """The driver's hand: offer committed messages to the connected wallets that the engine named."""
        made = iter(frames_of([(order.part, order.index) for order in orders if order.frame is None]))
        self._fanout.deliver(orders, [next(made) if order.frame is None else order.frame for order in orders])

    # From the store

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        """Curated messages with after < commit number <= before, oldest first."""
        if before is not None and before > self._store.last_commit:
            await self._driver.settled(before)
        end = self._store.last_commit if before is None else before
        now_ms = self._clock()
        state = self._driver.engine.state
        topics = state.subscriptions.topics_on(principal.account, now_ms)
        with telling_of_the_store():
            rows = await self._store.inbox(principal.account, topics, after, limit)
        rows = [row for row in rows if row.commit_no <= end]
        messages: list[Message] = []
        held: list[DecisionRecord] = []
        opened = [self._opener.open(row) for row in rows]
        for row, (part, index), frame in zip(rows, opened, frames_of(opened), strict=True):
            envelope = part.envelopes[index]
            if principal.topics is not None and envelope.topic not in principal.topics:
                continue
            audience = [principal.account] if row.listed else None
            decision = state.curator.decide(envelope, principal.account, now_ms, late=row.late, audience=audience)
            verdict, reason = decision.verdict, decision.reason
            self._metrics.decided(verdict, reason)
            if verdict in DELIVERS:
                messages.append(Message(row.commit_no, envelope, frame, verdict, reason))
            else:
                held.append(state.curator.record(principal.account, row.commit_no, decision, now_ms))
        await self._remember(held)
        more = len(rows) >= limit
        return Page(tuple(messages), rows[-1].commit_no if more else max(after, end), more)

    async def _remember(self, held: Sequence[DecisionRecord]) -> None:
        """Keep why messages were not delivered, where that is not kept already: an inbox is polled far more often than
        anything is decided otherwise. Explain re-decides, so losing one to a full disk is told by a metric only."""
        if not held:
            return
        try:
            kept = await self._store.decisions(held[0].account, [record.commit_no for record in held])
            known = {replace(record, decided_at=UnixMs(0)) for record in kept}
            await self._store.commit([record for record in held if replace(record, decided_at=UnixMs(0)) not in known])
        except (StoreBusy, StoreFailed):
            self._metrics.dropped("decisions", Reason.STORE_FAILED, len(held))

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        """Remember how far a device has read; never backwards. Durable on return. Raises Denied as `reach` does."""
        self.devices.reach(principal, device, commit_no)
        await self.devices.settled(principal, device)

    def acknowledge_soon(
        self, principal: Principal, device: str, commit_no: int, done: Callable[[Denied | None], None]
    ) -> None:
        """The same without a task: `done` is called once it is durable, or with why it is not."""
        self.devices.reach_soon(principal, device, commit_no, done)

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        """The same, durable a little later. Raises Denied, `bad-cursor` for what was never given."""
        self.devices.reach(principal, device, commit_no)

    async def acknowledged(self, principal: Principal, device: str) -> int | None:
        """The last acknowledged commit number of a device."""
        return await self.devices.place(principal, device)

    # Vouchers and counting

    async def take_voucher(self, principal: Principal, voucher: Voucher) -> None:
        """Count a voucher. Raises Denied with the reason that it does not count."""
        if Permission.READ not in principal.permissions:
            raise Denied(Reason.FORBIDDEN, "this token may not read, so it has nothing to acknowledge")
        await self._desk.take(principal.account, voucher)

    async def last_vouchers(self, principal: Principal) -> Sequence[Voucher]:
        """The newest voucher of every stream of the wallet in this and the last epoch, for who may read."""
        return self._desk.last(principal.account) if Permission.READ in principal.permissions else ()

    def durable(self) -> int:
        """The highest commit number that the store holds for good."""
        return self._store.last_commit

    def fell_back(self, listener: Listener, messages: int) -> None:
        """Count live messages that a slow consumer reads from the store instead."""
        self._metrics.dropped("live", Reason.SLOW_CONSUMER, messages)

    def delivered(self, transport: str, account: Account, messages: Sequence[Message]) -> None:
        """These were handed to a transport: count them, and tell who wants to know."""
        self.count_delivered(transport, len(messages))
        self._told(account, messages)

    def delivered_many(self, transport: str, accounts: Sequence[Account], batch: Batch) -> None:
        """The same of a batch that was handed to a connection of each of these wallets."""
        self.count_delivered(transport, len(accounts) * len(batch.messages))
        if batch.tells_origin:
            for account in accounts:
                self._told(account, batch.messages)

    def now_ms(self) -> int:
        """The node's clock."""
        return self._clock()

    def outdated(self, message: Message, now_ms: int, account: Account | None = None) -> bool:
        """Whether it expired, was taken back or gave its place to a newer one while it waited."""
        return self._driver.engine.state.curator.is_outdated(message.envelope, account, UnixMs(now_ms))

    def count_delivered(self, transport: str, count: int) -> None:
        """So many were handed to a transport."""
        self._metrics.delivered(transport, count)


def frames_of(places: Sequence[tuple[Part, int]]) -> list[bytes]:
    """A self-contained frame for each (part, index); neighbours of one run share its tree."""
    frames: list[bytes] = []
    for _, group in groupby(places, key=lambda place: id(place[0])):
        same = list(group)
        frames += leaf_frames(same[0][0], [index for _, index in same])
    return frames
