"""One consumer's stream: from the store up to a seam, then live, nothing lost and nothing twice. Knows no transport."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import TracebackType
from typing import Final, Self

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .contract import Batch, Inboxes, Message, Page, TopicFilter, WalletEvent
from .cursor import Start
from .deadline import Deadline


class Mark(StrEnum):
    """What a marker tells a consumer."""

    LIVE = "live"
    GAP = "gap"
    IDLE = "idle"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Marker:
    """A word between messages; `commit_no` is the place up to which the consumer has been given everything: its cursor.

    LIVE: the store is read, what follows is new (said after each fall-back). GAP: the start is not the one that was
    asked for. IDLE: nothing came for `idle_s`, time for a heartbeat. ENDED: the last batch, with the reason."""

    mark: Mark
    commit_no: int
    reason: str = ""
    detail: str = ""


Portion = Sequence[Message] | Marker | WalletEvent
"""What a consumer is given at a time; messages are never none."""

MOST_EVENTS = 64
"""Of a wallet's news that wait for one consumer; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one consumer may cost. Past the queue bounds it reads the store, past `write_s` in a write it ends."""

    queue_messages: int = 1_024
    queue_bytes: int = 1_048_576
    page_messages: int = 256
    page_bytes: int = 1_048_576
    read_s: float = 30.0
    write_s: float = 30.0
    idle_s: float = 15.0


DEFAULT_LIMITS = SessionLimits()


NO_TOPICS: Final[frozenset[Topic]] = frozenset()
EVERYTHING: Final = TopicFilter(None)
MOST_RETURNS: Final = 16
"""Times that a stream goes back in the store for topics that were added, before it is live again."""


def _nobody() -> None:
    """Who is woken where nobody waits."""


class _Phase(Enum):
    """FAR: reading, offers are left to the store. NEAR: reading a short rest, offers queue. LIVE: queue only."""

    FAR = auto()
    NEAR = auto()
    LIVE = auto()


class Session:
    """A Listener with a bounded queue. Enter it; then one task at a time asks for what is next, by `next` or by
    `batches`, and the node calls `offer`, `told` and `end`.

    While it rests (live, and all that there is was given) a transport that can may be written to directly."""

    __slots__ = (
        "_collecting",
        "_ended",
        "_events",
        "_filter",
        "_given",
        "_inboxes",
        "_offered",
        "_page_limit",
        "_phase",
        "_position",
        "_queue",
        "_queued_bytes",
        "_resting",
        "_said_live",
        "_seam",
        "_start",
        "_takes_all",
        "_wake",
        "_write_now",
        "device",
        "fallbacks",
        "limits",
        "principal",
        "transport",
    )

    def __init__(
        self,
        inboxes: Inboxes,
        principal: Principal,
        start: Start,
        *,
        topics: frozenset[Topic] | None = None,
        limits: SessionLimits = DEFAULT_LIMITS,
    ) -> None:
        self.principal = principal
        self.limits = limits
        self.transport = ""
        self.device: str | None = None
        self.fallbacks = 0
        """How often the queue was full, so that the rest came from the store."""
        self._inboxes = inboxes
        self._start = start
        self._filter = self._allowed(topics)
        self._takes_all = self._filter == EVERYTHING
        self._given: tuple[tuple[TopicFilter, int], ...] = ()
        self._queue: list[Message] = []
        self._queued_bytes = 0
        self._events: dict[tuple[str, str], WalletEvent] = {}
        self._collecting = False
        self._offered = 0
        self._position = 0
        self._seam = 0
        self._phase = _Phase.FAR
        self._said_live = False
        self._page_limit = min(32, limits.page_messages)
        self._ended: Marker | None = None
        self._resting = False
        self._wake: Callable[[], None] = _nobody
        self._write_now: Callable[[Batch], bool] | None = None

    def __enter__(self) -> Self:
        """Start to listen."""
        self._seam = self._inboxes.listen(self)
        self._offered = self._seam
        after = self._start.after
        self._position = self._seam if after is None else after
        if self._position > self._seam:
            self._position = 0
            self._start = Start(0, "the cursor lies past the end of this store, so it is read from its beginning")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._inboxes.forget(self)
        self._drop_queue()
        self._resting = False
        self._wake, self._write_now = _nobody, None

    @property
    def position(self) -> int:
        """The commit number up to which the consumer has been given everything that it wants: its cursor."""
        return min(self._position, self._inboxes.durable())

    @property
    def given(self) -> int:
        """The highest commit number up to which the consumer was ever given everything that it wanted then."""
        return max([self._position, *(end for _, end in self._given)])

    @property
    def is_live(self) -> bool:
        """Whether the store is read, so that only what is new is still to come."""
        return self._phase is _Phase.LIVE

    @property
    def is_resting(self) -> bool:
        """Whether everything that there is has been given, so that nobody need ask for the next."""
        return self._resting

    def write_through(self, write_now: Callable[[Batch], bool], wake: Callable[[], None]) -> None:
        """While the session rests a batch goes to `write_now`, which takes all of it to the transport at once or leaves
        that to `batch.flush`, or gives False. `wake` is called when there is something to ask `next` for again."""
        self._write_now, self._wake = write_now, wake

    def choose(
        self, topics: frozenset[Topic] | None, *, without: frozenset[Topic] = NO_TOPICS, since: int | None = None
    ) -> None:
        """From now on give these topics only (None is all but `without`); what is queued is sorted out too.

        With `since` the store is read again from this commit number on, for what was left out so far: it comes first,
        in order, and nothing that was given comes again. Raises Denied `rate-limited` for too many of these at once."""
        if since is not None and len(self._given) >= MOST_RETURNS:
            raise Denied(Reason.RATE_LIMITED, "wait until this stream is live, then add more topics", retry_after_s=1)
        before = self._filter
        self._filter = self._allowed(topics, without)
        self._takes_all = self._filter == EVERYTHING
        self._queue = [message for message in self._queue if self._filter.wants(message.envelope)]
        self._queued_bytes = sum([len(message.frame) for message in self._queue])

        if since is not None and since < max(self._position, self._offered):
            self._return_to(since, before)

    def _return_to(self, since: int, before: TopicFilter) -> None:
        """Give up the queue for the store, and remember what need not be given again."""
        self._given = (*self._given, (before, self._position))
        self._drop_queue()
        self._position = min(self._position, since)
        self._phase = _Phase.FAR
        self._said_live = False
        self._rouse()

    def offer(self, batch: Batch) -> bool:
        """Take live messages. Never blocks: past the bounds the queue is dropped and read again."""
        if self._resting and self._takes_all:
            write_now = self._write_now
            if write_now is not None and write_now(batch):
                if batch.commit_no > self._position:
                    self._position = batch.commit_no
                return True
        if self._collecting:
            self._offer_wanted(batch)
        return False

    def _offer_wanted(self, batch: Batch) -> None:
        wants = self._filter.wants
        wanted = [message for message in batch.messages if wants(message.envelope)]
        self._offered = max(self._offered, batch.commit_no)
        if self._resting and (not wanted or self._hand_over(wanted)):
            self._position = max(self._position, self._offered)
            return
        self._queue += wanted
        self._queued_bytes += sum([len(message.frame) for message in wanted])
        if len(self._queue) > self.limits.queue_messages or self._queued_bytes > self.limits.queue_bytes:
            self._fall_back()
        if wanted:
            self._rouse()

    def _hand_over(self, wanted: list[Message]) -> bool:
        """Write some of a batch at once, if that can be."""
        if self._write_now is None or self._takes_all:
            return False
        part = Batch(wanted)
        if not self._write_now(part):
            return False
        part.flush()
        self._inboxes.delivered_many(self.transport, [self.principal.account], part)
        return True

    def told(self, event: WalletEvent) -> None:
        """Take news of the wallet, which are given when nothing else is."""
        place = (event.kind, event.key)
        self._events.pop(place, None)
        self._events[place] = event
        if len(self._events) > MOST_EVENTS:
            del self._events[next(iter(self._events))]
        self._rouse()

    def tell_live(self) -> None:
        """Say LIVE once more when everything that there is was given: somebody wants to know who was not told."""
        self._said_live = False
        self._rouse()

    def end(self, reason: str, detail: str) -> None:
        """The node ends the session: nothing more is given but the ENDED marker. The first reason stays."""
        if self._ended is None:
            self._ended = Marker(Mark.ENDED, self.position, reason, detail)
        self._drop_queue()
        self._rouse()

    def _rouse(self) -> None:
        if self._resting:
            self._resting = False
            self._wake()

    async def batches(self) -> AsyncGenerator[Portion, None]:
        """Everything in order, as much as is there, and IDLE now and then; ends after ENDED. Raises Denied where the
        store cannot be read."""
        news = asyncio.Event()
        self._wake = news.set
        with closing(Deadline(news.set)) as idle:
            while True:
                portion = await self.next()
                if portion is None:
                    news.clear()
                    idle.set(self.limits.idle_s)
                    await news.wait()
                    idle.clear()
                    if not self._resting:
                        continue
                    portion = Marker(Mark.IDLE, self.position)
                yield portion
                if isinstance(portion, Marker) and portion.mark is Mark.ENDED:
                    return

    async def next(self) -> Portion | None:
        """As much as is there now, None where that is nothing: the session rests then. Raises Denied where the store
        cannot be read."""
        self._resting = False
        if self._start.gap:
            gap, self._start = self._start.gap, Start(self._start.after)
            return Marker(Mark.GAP, self.position, Reason.BAD_CURSOR, gap)
        while self._ended is None:
            if self._phase is not _Phase.LIVE:
                if messages := await self._approach():
                    return messages
                continue
            if self._queue and (messages := self._take()):
                return messages
            self._position = max(self._position, self._offered)
            if not self._said_live:
                self._said_live = True
                return Marker(Mark.LIVE, self.position)
            if self._events:
                return self._events.pop(next(iter(self._events)))
            self._resting = True
            return None
        return self._ended

    async def _approach(self) -> Sequence[Message]:
        """One page of the store; up to the seam, on to the next phase. Listening anew gives a seam that lies close."""
        if self._position < self._seam:
            return await self._read()
        if self._phase is _Phase.NEAR:
            self._phase = _Phase.LIVE
            return ()
        self._inboxes.forget(self)
        self._seam = self._inboxes.listen(self)
        self._offered = self._seam
        self._collecting = True
        self._phase = _Phase.NEAR
        return ()

    def _fall_back(self) -> None:
        """Give up the queue for the store, which has it all from `_position` on."""
        self.fallbacks += 1
        self._inboxes.fell_back(self, len(self._queue))
        self._drop_queue()
        self._seam = max(self._offered, self._position)
        self._phase = _Phase.FAR
        self._said_live = False

    def _drop_queue(self) -> None:
        self._collecting = False
        self._queue = []
        self._queued_bytes = 0

    def _take(self) -> Sequence[Message]:
        """What is queued and still to be shown."""
        outdated, now_ms, account = self._inboxes.outdated, self._inboxes.now_ms(), self.principal.account
        messages = [message for message in self._queue if not outdated(message, now_ms, account)]
        self._queue = []
        self._queued_bytes = 0
        self._position = max(self._position, self._offered)
        return messages

    async def _read(self) -> Sequence[Message]:
        began, seam = self._position, self._seam
        try:
            async with asyncio.timeout(self.limits.read_s):
                page = await self._inboxes.read(self.principal, self._position, seam, self._page_limit)
        except TimeoutError as error:
            raise Denied(Reason.TIMEOUT, "the store did not answer in time") from error
        if self._ended is not None or self._position != began:
            return ()  # over, or other topics were chosen meanwhile and the store is read from elsewhere
        assert page.next_cursor > self._position or not page.more, "a page with more behind it moves on"
        self._fit_page(page)
        self._position = max(self._position, page.next_cursor if page.more else seam)
        wanted = [message for message in page.messages if self._filter.wants(message.envelope)]
        if self._given:
            wanted = [message for message in wanted if not self._was_given(message)]
            self._given = tuple([each for each in self._given if each[1] > self._position])
        return wanted

    def _was_given(self, message: Message) -> bool:
        return any(message.commit_no <= end and before.wants(message.envelope) for before, end in self._given)

    def _fit_page(self, page: Page) -> None:
        """Keep pages near `page_bytes`, whatever the size of the messages."""
        size = sum([len(message.frame) for message in page.messages])
        if size > self.limits.page_bytes:
            self._page_limit = max(1, self._page_limit // 2)
        elif page.more and 2 * size < self.limits.page_bytes:
            self._page_limit = min(self.limits.page_messages, self._page_limit * 2)

    def _allowed(self, topics: frozenset[Topic] | None, without: frozenset[Topic] = NO_TOPICS) -> TopicFilter:
        limit = self.principal.topics
        return TopicFilter(limit if topics is None else topics if limit is None else topics & limit, without)
