"""The public notifications of topics, uncurated: what a bridge reads. Obeys `delivery.contract.Inboxes`.

The store alone is read, for live ones too: a commit only tells that there may be news.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from pushmesh_protocol.vouchers import Voucher

from ..curation import DeliveryVerdict
from ..delivery.contract import Batch, Listener, Message, Page
from ..engine.answers import Denied, Principal
from ..engine.records import StoredEnvelope
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .driver import Driver
from .inboxes import Inboxes, frames_of
from .opened import Opener
from .store_words import telling_of_the_store

PAGE = 256


class Broadcasts:
    """A principal reads its `topics`, none where it names none. What is not about messages is the inboxes' own.

    `run` offers what is new; whoever learns of a commit calls `committed`, which costs nothing while nobody listens."""

    def __init__(
        self, inboxes: Inboxes, driver: Driver, store: Store, opener: Opener, clock: Callable[[], UnixMs]
    ) -> None:
        self._inboxes = inboxes
        self._driver = driver
        self._store = store
        self._opener = opener
        self._clock = clock
        self._listeners: dict[Listener, int] = {}
        self._looked = 0
        self._news = asyncio.Event()

    # Live

    def committed(self) -> None:
        """Something became durable."""
        if self._listeners:
            self._news.set()

    async def run(self) -> None:
        """Offer what is new, until cancelled. Where the store cannot be read every listener is ended."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._offer_news(self._store.last_commit)
            except StoreFailed as failure:
                for listener in list(self._listeners):
                    listener.end(Reason.STORE_FAILED, str(failure))

    async def _offer_news(self, end: int) -> None:
        """Everything up to a durable commit number. Who comes meanwhile has a seam that lies no lower."""
        after = self._looked
        while after < end and self._listeners:
            topics = {topic for listener in self._listeners for topic in _topics(listener.principal)}
            rows = await self._store.topic_messages(sorted(topics), after, end + 1, PAGE)
            after = rows[-1].commit_no if len(rows) == PAGE else end
            messages = self._messages(rows)
            for listener, seam in list(self._listeners.items()):
                if new := [message for message in messages if seam < message.commit_no]:
                    batch = Batch(new)
                    listener.offer(batch)
                    batch.flush()
        self._looked = end

    def listen(self, listener: Listener) -> int:
        """Register for live messages after the commit number that is returned."""
        if not self._listeners:
            self._looked = self._store.last_commit
        seam = self._listeners[listener] = self._driver.engine.last_commit
        return seam

    def forget(self, listener: Listener) -> None:
        """Idempotent."""
        self._listeners.pop(listener, None)

    # From the store

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        """Messages with after < commit number <= before, oldest first. Raises Denied where the store fails."""
        if before is not None and before > self._store.last_commit:
            await self._driver.settled(before)
        end = self._store.last_commit if before is None else before
        with telling_of_the_store():
            rows = await self._store.topic_messages(_topics(principal), after, end + 1, limit)
        more = len(rows) >= limit
        return Page(tuple(self._messages(rows)), rows[-1].commit_no if more else max(after, end), more)

    def _messages(self, rows: Sequence[StoredEnvelope]) -> list[Message]:
        """Void ones the store leaves out; here go those that were taken back, gave way or whose time is over."""
        now_ms, curator = self._clock(), self._driver.engine.state.curator
        messages = []
        opened = [self._opener.open(row) for row in rows]
        for row, (part, index), frame in zip(rows, opened, frames_of(opened), strict=True):
            envelope = part.envelopes[index]
            if not curator.is_outdated(envelope, None, now_ms):
                messages.append(Message(row.commit_no, envelope, frame, DeliveryVerdict.NOW, Reason.OK))
        return messages

    # The inboxes' own

    def incarnation(self) -> bytes:
        """16 bytes of this node's store."""
        return self._inboxes.incarnation()

    def durable(self) -> int:
        """The highest commit number that the store holds for good."""
        return self._inboxes.durable()

    def fell_back(self, listener: Listener, messages: int) -> None:
        """Count live messages that a slow consumer reads from the store instead."""
        self._inboxes.fell_back(listener, messages)

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        """Remember how far a device has read. A principal's topics may change: its devices stay what they are."""
        await self._inboxes.acknowledge(replace(principal, topics=None), device, commit_no)

    def acknowledge_soon(
        self, principal: Principal, device: str, commit_no: int, done: Callable[[Denied | None], None]
    ) -> None:
        """The same without a task: `done` is called when it is durable, or with why it is not."""
        self._inboxes.acknowledge_soon(replace(principal, topics=None), device, commit_no, done)

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        """The same, durable a little later."""
        self._inboxes.reach(replace(principal, topics=None), device, commit_no)

    async def acknowledged(self, principal: Principal, device: str) -> int | None:
        """The last acknowledged commit number of a device."""
        return await self._inboxes.acknowledged(replace(principal, topics=None), device)

    async def take_voucher(self, principal: Principal, voucher: Voucher) -> None:
        """Broadcasts are nobody's delivery, so nothing of them is vouchered."""
        raise Denied(Reason.FORBIDDEN, "broadcasts that a bridge reads are not vouchered")

    async def last_vouchers(self, principal: Principal) -> Sequence[Voucher]:
        """None."""
        return ()

    def delivered(self, transport: str, account: Account, messages: Sequence[Message]) -> None:
        """Count what was handed to a transport; it is nobody's delivery, so no origin is told."""
        self._inboxes.count_delivered(transport, len(messages))

    def delivered_many(self, transport: str, accounts: Sequence[Account], batch: Batch) -> None:
        """The same for many."""
        self._inboxes.count_delivered(transport, len(accounts) * len(batch.messages))

    def now_ms(self) -> int:
        """The node's clock."""
        return self._clock()

    def outdated(self, message: Message, now_ms: int, account: Account | None = None) -> bool:
        """Whether it expired, was taken back or gave its place to a newer one while it waited."""
        return self._inboxes.outdated(message, now_ms)


def _topics(principal: Principal) -> Sequence[Topic]:
    return sorted(principal.topics or ())
