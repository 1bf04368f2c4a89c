"""A wallet's inbox as one stream: `async for message in inbox`. Each message once, verified, in the node's order.

It survives what networks do: it opens the next node after a lost connection, goes on after the last message taken,
drops
what it had already, and keeps its vouchers until a node has counted them.
"""

import asyncio
import random
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.codec import pack
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher

from .errors import BadAnswer, ClientError, Refused, TimedOut, Unreachable
from .received import Received
from .transports import Delivery, Ended, Event, Live, Transport, VoucherAnswer
from .transports.contract import Request
from .verify import verify_delivery
from .vouching import Tally

REMEMBERED_IDS = 65_536
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
KEEPER_S = 5.0
FATAL = frozenset(
    {
        "bad-cursor",
        "bad-request",
        "bad-token",
        "forbidden",
        "grant-revoked",
        "malformed",
        "not-found",
        "out-of-scope",
        "scheme-not-allowed",
    }
)
"""Refusals that trying again cannot mend."""
MENDABLE = frozenset({"unknown-grant", "bad-login", "login-required"})
"""Refusals that telling the node our grant may mend, once."""


@dataclass(frozen=True, slots=True)
class Source:
    """One node to listen to. `open` gives a fresh transport, `introduce` tells the node our grant, `give_voucher`
    hands one in over HTTP."""

    url: str
    node_id: Callable[[], Awaitable[bytes]]
    transport: Callable[[], Awaitable[Transport]]
    introduce: Callable[[], Awaitable[None]]
    give_voucher: Callable[[Voucher], Awaitable[None]]


@dataclass(slots=True)
class InboxCounts:
    """What happened so far. `faults` counts what did not verify, by reason."""

    delivered: int = 0
    duplicates: int = 0
    expired: int = 0
    connections: int = 0
    vouchers: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    refused_vouchers: Counter[str] = field(default_factory=Counter)


class Inbox:
    """Enter it, iterate it from one task, leave it: leaving acknowledges what was taken and settles the vouchers."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        network: Network,
        account: Account,
        authority: Authority,
        request: Request,
        tally: Tally | None,
        now_ms: Callable[[], int],
    ) -> None:
        """Sources are tried in order, from the first. Without a tally (no session key) nothing is vouchered."""
        self.counts = InboxCounts()
        self.live = asyncio.Event()
        """Set once everything older has been given (transports that say so)."""
        self.connected = asyncio.Event()
        self._sources = sources
        self._network = network
        self._account = account
        self._authority = authority
        self._request = request
        self._tally = tally
        self._now_ms = now_ms
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._cursors: dict[bytes, str] = {}
        self._acknowledged: dict[bytes, str] = {}
        self._source: Source | None = None
        self._transport: Transport | None = None
        self._node_id = b""
        self._unanswered: deque[Voucher] = deque()
        self._since_ack = 0
        self._giving = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._nodes: dict[bytes, Source] = {}
        self._handed: Received | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected until it is iterated."""
        self._keeper = asyncio.create_task(self._keep(), name="inbox keeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settles for at most 5 s, then closes. The last message counts as taken unless an exception came of it."""
        try:
            if error is None:
                await self._taken()
            if error is None or isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
                await self.settle(timeout_s=5.0)
        finally:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.gather(self._keeper, return_exceptions=True)
            await self._disconnect()

    def __aiter__(self) -> AsyncIterator[Received]:
        """See `messages`."""
        return self.messages()

    async def messages(self) -> AsyncGenerator[Received, None]:
        """Endless. A message counts as taken when the next one is asked for. Raises Refused where no node will ever
        serve this wallet."""
        await self._taken()
        while True:
            if self._transport is None:
                await self._connect()
            assert self._transport is not None  # just connected, or left open by an earlier iteration
            try:
                async with aclosing(self._transport.events()) as events:
                    async for event in events:
                        message = self._take_in(event)
                        if message is not None:
                            self._handed = message
                            yield message
                            await self._taken()
            except (Unreachable, TimedOut):
                pass
            except Refused as refusal:
                if refusal.reason in FATAL:
                    raise
            await self._disconnect()

    async def settle(self, *, timeout_s: float = 30.0) -> bool:
        """Acknowledge what was taken and hand in all vouchers; True when every message that was counted is settled at
        its node."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._acknowledge(force=True)
                while self._tally is not None and self._tally.settled() < self._tally.counted():
                    if not await self._hand_in(self._tally):
                        await asyncio.sleep(0.2)
        except (TimeoutError, ClientError):
            return self._tally is None or self._tally.settled() == self._tally.counted()
        return True

    @property
    def vouchered(self) -> int:
        """Messages that nodes have counted from this inbox's vouchers."""
        return 0 if self._tally is None else self._tally.settled()

    async def _hand_in(self, tally: Tally) -> bool:
        """Over HTTP, to every node that owes us an answer; False where one did not give it."""
        complete = True
        for node_id, source in self._nodes.items():
            for voucher in tally.sign(node_id, self._now_ms(), again=True):
                try:
                    await source.give_voucher(voucher)
                    tally.settle(voucher)
                    self.counts.vouchers += 1
                except Refused as refusal:
                    self.counts.refused_vouchers[refusal.reason] += 1
                    complete = False
                except (Unreachable, TimedOut):
                    complete = False
        return complete

    async def _connect(self) -> None:
        delay_s, last = FIRST_DELAY_S, len(self._sources)
        attempt = 0
        while True:
            source = self._sources[attempt % last]
            try:
                await self._open(source)
                return
            except (Unreachable, TimedOut, BadAnswer):
                pass
            except Refused as refusal:
                if refusal.reason in FATAL or (refusal.reason in MENDABLE and last == 1):
                    raise
            attempt += 1
            if attempt % last == 0:
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    async def _open(self, source: Source) -> None:
        node_id = await source.node_id()
        request = self._request
        if node_id in self._cursors:
            request = Request(request.device, self._cursors[node_id], request.topics)
        transport = await source.transport()
        try:
            await transport.open(request)
        except Refused as refusal:
            await transport.close()
            if refusal.reason not in MENDABLE:
                raise
            await source.introduce()
            transport = await source.transport()
            try:
                await transport.open(request)
            except ClientError:
                await transport.close()
                raise
        except BaseException:
            await transport.close()
            raise
        self._source, self._transport, self._node_id = source, transport, node_id
        self._nodes[node_id] = source
        self._unanswered.clear()
        self.counts.connections += 1
        self.connected.set()

    async def _disconnect(self) -> None:
        transport, self._transport = self._transport, None
        self.connected.clear()
        self.live.clear()
        if transport is not None:
            await transport.close()

    def _take_in(self, event: Event) -> Received | None:
        match event:
            case Delivery():
                return self._verify(event)
            case Live():
                self.live.set()
            case VoucherAnswer():
                self._answered(event)
            case Ended(reason=reason, detail=detail):
                raise Refused(detail, reason=reason)
        return None

    def _verify(self, delivery: Delivery) -> Received | None:
        assert self._source is not None  # a delivery came over it
        try:
            verified = verify_delivery(self._network, self._authority, self._account, delivery.frame)
        except BadAnswer as fault:
            self.counts.faults[fault.reason] += 1
            self._cursors[self._node_id] = delivery.cursor
            return None
        envelope, now_ms = verified.envelope, self._now_ms()
        if envelope.id in self._seen:
            self.counts.duplicates += 1
        elif envelope.body.expires_at <= now_ms:
            self.counts.expired += 1
        else:
            return Received(
                envelope,
                verified.signed_by,
                delivery.verdict,
                delivery.reason,
                delivery.cursor,
                self._source.url,
                now_ms,
            )
        self._cursors[self._node_id] = delivery.cursor
        return None

    async def _taken(self) -> None:
        message, self._handed = self._handed, None
        if message is None:
            return
        self._seen[message.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        self.counts.delivered += 1
        self._cursors[self._node_id] = message.cursor
        self._since_ack += 1
        due = self._tally is not None and self._tally.count(
            self._node_id, message.id, message.envelope.cost, self._now_ms()
        )
        if due or self._since_ack >= 32:
            try:
                await self._acknowledge()
            except (Unreachable, TimedOut):
                return  # the events will end with the same news

    async def _acknowledge(self, *, force: bool = False) -> None:
        async with self._giving:
            transport, cursor = self._transport, self._cursors.get(self._node_id)
            if transport is None or cursor is None:
                return
            vouchers = [] if self._tally is None else self._tally.sign(self._node_id, self._now_ms())
            if not vouchers and not force and self._acknowledged.get(self._node_id) == cursor:
                return
            self._since_ack = 0
            self._acknowledged[self._node_id] = cursor
            if not transport.answers_vouchers:
                await self._give_over_http(vouchers)
                vouchers = []
            for voucher in vouchers:
                self._unanswered.append(voucher)
                await transport.acknowledge(cursor, pack(voucher))
            if not vouchers:
                await transport.acknowledge(cursor, None)

    async def _give_over_http(self, vouchers: Sequence[Voucher]) -> None:
        for voucher in vouchers:
            try:
                await self._nodes[self._node_id].give_voucher(voucher)
            except Refused as refusal:
                self.counts.refused_vouchers[refusal.reason] += 1
            except (Unreachable, TimedOut):
                return  # a later voucher says the same and more
            else:
                self.counts.vouchers += 1
                if self._tally is not None:
                    self._tally.settle(voucher)

    def _answered(self, answer: VoucherAnswer) -> None:
        if not self._unanswered:
            return
        voucher = self._unanswered.popleft()
        if answer.accepted:
            self.counts.vouchers += 1
            if self._tally is not None:
                self._tally.settle(voucher)
        else:
            self.counts.refused_vouchers[answer.reason] += 1

    async def _keep(self) -> None:
        """Vouchers that are due by time, while nothing else happens."""
        while True:
            await asyncio.sleep(KEEPER_S)
            if self._tally is not None and self._tally.due(self._node_id, self._now_ms()):
                try:
                    await self._acknowledge()
                except (Unreachable, TimedOut):
                    continue
