"""A wallet's inbox as one stream: `async for message in inbox`. Each message once, verified, in the node's order.

It survives what networks do: it opens the next node after a lost connection, goes on after the last message taken,
drops what it had already, and keeps its vouchers until a node has counted them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account

from .acknowledging import Acknowledger
from .counts import InboxCounts
from .errors import BadAnswer, ClientError, Refused, TimedOut, Unreachable
from .link import FATAL, Link, Source
from .received import Received
from .sealing import SealSecret, by_public, open_content
from .transports import Delivery, Ended, Event, Live, MarkRefused, ReadState, VoucherAnswer
from .transports.contract import Request
from .verify import ShownGrants, SignedBy, Verified, learn_grant, verify_delivery
from .vouching import Tally

REMEMBERED_IDS = 65_536
MOST_SOUGHT = 1_024
"""Grants that the node of a connection is asked for, each once: it could make them up for ever."""


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
        seals: Sequence[SealSecret] = (),
    ) -> None:
        """Sources are tried in order, from the first. Without a tally (no session key) nothing is vouchered."""
        self.counts = InboxCounts()
        self.live = asyncio.Event()
        """Set once everything older has been given."""
        self.read: ReadState | None = None
        """What is read, as the node said it last: after a mark of this device or of another one."""
        self._link = Link(sources, request, self.counts)
        self._acknowledger = Acknowledger(self._link, tally, self.counts, now_ms)
        self.connected = self._link.connected
        self._network = network
        self._account = account
        self._authority = authority
        self._shown = ShownGrants()
        self._now_ms = now_ms
        self._seals = by_public(seals, now_ms())
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._sought: set[bytes] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._handed: Received | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected until it is iterated."""
        self._keeper = asyncio.create_task(self._acknowledger.keep(), name="inbox keeper")
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
            if self._link.transport is None:
                await self._link.open(self._acknowledger.cursors)
                self._acknowledger.begin()
            assert self._link.transport is not None  # just opened, or left open by an earlier iteration
            try:
                async with aclosing(self._link.transport.events()) as events:
                    async for event in events:
                        message = await self._take_in(event)
                        if message is not None:
                            self._handed = message
                            yield message
                            await self._taken()
            except (Unreachable, TimedOut):
                pass
            except BadAnswer as fault:
                self.counts.faults[fault.reason] += 1
            except Refused as refusal:
                if refusal.reason in FATAL:
                    raise
            await self._disconnect()

    async def mark_read(self, *messages: Received, up_to: Received | None = None) -> None:
        """Say over the open connection that a person has seen these messages, and all up to one; the wallet's other
        devices are told. `read` says so when the node has it.

        Raises Unreachable where the connection is lost or is to another node by now: say it again, or through
        `Subscriber.mark_read`."""
        transport, url = self._link.transport, self._link.url
        elsewhere = {each.node_url for each in (*messages, *([] if up_to is None else [up_to]))} - {url}
        if transport is None or elsewhere:
            raise Unreachable(f"there is no connection to {', '.join(sorted(elsewhere)) or url or 'a node'} now")
        cursor = None if up_to is None else up_to.cursor
        told = await transport.mark_read(cursor, [message.cursor for message in messages])
        if told is not None:
            self.read = told

    async def settle(self, *, timeout_s: float = 30.0) -> bool:
        """Acknowledge what was taken and hand in all vouchers; True when every message that was counted is settled at
        its node."""
        return await self._acknowledger.settle(timeout_s)

    @property
    def vouchered(self) -> int:
        """Messages that nodes have counted from this inbox's vouchers."""
        return self._acknowledger.vouchered

    async def _disconnect(self) -> None:
        self.live.clear()
        self._sought.clear()
        await self._link.close()

    async def _take_in(self, event: Event) -> Received | None:
        match event:
            case Delivery():
                return await self._verify(event)
            case Live():
                self.live.set()
            case VoucherAnswer():
                self._acknowledger.answered(event)
            case ReadState():
                self.read = event
            case MarkRefused(reason=reason):
                self.counts.refused_marks[reason] += 1
            case Ended(reason=reason, detail=detail):
                raise Refused(detail, reason=reason)
        return None

    async def _verify(self, delivery: Delivery) -> Received | None:
        try:
            verified = self._check(delivery)
            if verified.signed_by is SignedBy.UNKNOWN_GRANT and await self._seek_grant(verified.envelope):
                verified = self._check(delivery)
        except BadAnswer as fault:
            self.counts.faults[fault.reason] += 1
            await self._acknowledger.go_on(delivery.cursor)
            return None
        envelope, now_ms = verified.envelope, self._now_ms()
        if envelope.id in self._seen:
            self.counts.duplicates += 1
        elif envelope.body.expires_at <= now_ms:
            self.counts.expired += 1
        else:
            sealed, content = open_content(self._network, envelope, self._seals)
            return Received(
                envelope,
                verified.signed_by,
                delivery.verdict,
                delivery.reason,
                delivery.cursor,
                self._link.url,
                now_ms,
                sealed,
                content,
            )
        await self._acknowledger.go_on(delivery.cursor)
        return None

    def _check(self, delivery: Delivery) -> Verified:
        return verify_delivery(self._network, self._authority, self._account, delivery.frame, self._shown)

    async def _seek_grant(self, envelope: Envelope) -> bool:
        """Ask the node for the grant that a session key rests on; whether one came, which may not hold."""
        session = envelope.session
        if session is None or session.grant_id in self._sought or len(self._sought) >= MOST_SOUGHT:
            return False
        self._sought.add(session.grant_id)
        try:
            item = await self._link.nodes[self._link.node_id].grant(session.grant_id)
        except ClientError:
            return False
        learn_grant(self._network, self._authority, item, self._shown)
        return True

    async def _taken(self) -> None:
        message, self._handed = self._handed, None
        if message is None:
            return
        self._seen[message.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        self.counts.delivered += 1
        await self._acknowledger.take(message)
