"""How far an inbox has read, told to its nodes: cursors over the connection, vouchers over it or over HTTP, until they
are counted."""

import asyncio
from collections import deque
from collections.abc import Callable

from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.vouchers import Voucher

from .counts import InboxCounts
from .errors import BadAnswer, ClientError, Refused, TimedOut, Unreachable
from .link import Link
from .received import Received
from .transports import VoucherAnswer
from .vouching import EVERY_MESSAGES, Tally

KEEPER_S = 1.0
AGAIN_S = 0.2


class Acknowledger:
    """Without a tally (no session key) nothing is vouchered. `cursors` holds the last one taken of each node."""

    def __init__(self, link: Link, tally: Tally | None, counts: InboxCounts, now_ms: Callable[[], int]) -> None:
        self.cursors: dict[bytes, str] = {}
        self._link = link
        self._tally = tally
        self._counts = counts
        self._now_ms = now_ms
        self._acknowledged: dict[bytes, str] = {}
        self._unanswered: deque[Voucher] = deque()
        self._counted_vouchers: dict[tuple[bytes, bytes], Voucher] = {}
        self._since_ack = 0
        self._giving = asyncio.Lock()

    @property
    def vouchered(self) -> int:
        """Messages that nodes have counted."""
        return 0 if self._tally is None else self._tally.settled()

    def begin(self) -> None:
        """A new connection: what the last one left unanswered will not be answered over it."""
        self._unanswered.clear()

    async def take(self, message: Received) -> None:
        """Count a message that the wallet has taken."""
        units, node_id, body = message.envelope.cost, self._link.node_id, message.envelope.body
        asked = isinstance(body, Notification) and body.origin is not None
        issued_at = body.issued_at if asked else None
        due = self._tally is not None and self._tally.count(node_id, message.id, units, self._now_ms(), issued_at)
        await self.go_on(message.cursor, now=due)

    async def go_on(self, cursor: str, *, now: bool = False) -> None:
        """Everything up to the cursor is done with. Every so many are acknowledged, also those that the wallet never
        saw: a transport may have room for so many unacknowledged ones only."""
        self.cursors[self._link.node_id] = cursor
        self._since_ack += 1
        if now or self._since_ack >= EVERY_MESSAGES:
            try:
                await self.acknowledge()
            except ClientError:
                return  # a lost connection ends the events too; else a later one says the same and more

    async def acknowledge(self, *, force: bool = False) -> None:
        """Say where the open connection stands, with a voucher where one is due. Raises ClientError."""
        async with self._giving:
            node_id, transport = self._link.node_id, self._link.transport
            cursor = self.cursors.get(node_id)
            if transport is None or cursor is None:
                return
            vouchers = [] if self._tally is None else self._tally.sign(node_id, self._now_ms())
            if not vouchers and not force and self._acknowledged.get(node_id) == cursor:
                return
            self._since_ack = 0
            self._acknowledged[node_id] = cursor
            if not transport.answers_vouchers:
                for voucher in vouchers:
                    await self._give(voucher)  # where it fails, a later voucher says the same and more
                vouchers = []
            for voucher in vouchers:
                self._unanswered.append(voucher)
                await transport.acknowledge(cursor, pack(voucher))
            if not vouchers:
                await transport.acknowledge(cursor, None)

    def answered(self, answer: VoucherAnswer) -> None:
        """The node's word on the oldest voucher that this connection carried."""
        if self._unanswered:
            voucher = self._unanswered.popleft()
            if answer.accepted:
                self._counted(voucher)
            else:
                self._counts.refused_vouchers[answer.reason] += 1

    async def settle(self, timeout_s: float) -> bool:
        """Acknowledge what was taken and hand in all vouchers over HTTP, to every node that owes an answer; True when
        every message is counted."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.acknowledge(force=True)
                while self._tally is not None and self._tally.settled() < self._tally.counted():
                    if not await self._hand_in(self._tally):
                        await asyncio.sleep(AGAIN_S)
                await self._disclose()
        except (TimeoutError, ClientError):
            return self._tally is None or self._tally.settled() == self._tally.counted()
        return True

    async def keep(self) -> None:
        """Until cancelled: vouchers that are due by time, while nothing else happens, and what was asked about single
        messages once their vouchers count."""
        while True:
            await asyncio.sleep(KEEPER_S)
            await self._disclose()
            if self._tally is not None and self._tally.due(self._link.node_id, self._now_ms()):
                try:
                    await self.acknowledge()
                except ClientError:
                    continue  # a later voucher says the same and more

    async def _hand_in(self, tally: Tally) -> bool:
        complete = True
        for node_id in list(self._link.nodes):  # the inbox may open another one meanwhile
            for voucher in tally.sign(node_id, self._now_ms(), again=True):
                complete = await self._give(voucher) and complete
        return complete

    async def _give(self, voucher: Voucher) -> bool:
        try:
            await self._link.nodes[voucher.node_id].give_voucher(voucher)
        except Refused as refusal:
            self._counts.refused_vouchers[refusal.reason] += 1
            return False
        except (Unreachable, TimedOut, BadAnswer):
            return False
        self._counted(voucher)
        return True

    def _counted(self, voucher: Voucher) -> None:
        self._counts.vouchers += 1
        if self._tally is not None:
            self._tally.settle(voucher)
            self._counted_vouchers[voucher.node_id, voucher.stream] = voucher

    async def _disclose(self) -> None:
        """Show each node the messages of its counted vouchers whose publishers asked; where it cannot be reached a
        later voucher shows the same and more."""
        vouchers, self._counted_vouchers = self._counted_vouchers, {}
        for voucher in vouchers.values():
            for disclosure in () if self._tally is None else self._tally.disclosures(voucher):
                try:
                    await self._link.nodes[voucher.node_id].disclose(disclosure)
                except (Refused, Unreachable, TimedOut, BadAnswer):
                    break
                if self._tally is not None:
                    self._tally.shown(disclosure)
