"""An inbox's one open connection: to the first of its nodes that serves, and to the next one when it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pushmesh_protocol.outcomes import Disclosure
from pushmesh_protocol.vouchers import Voucher

from .counts import InboxCounts
from .errors import BadAnswer, Refused, TimedOut, Unreachable
from .transports import Transport
from .transports.contract import Request

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
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
    """One node to listen to. `transport` gives a fresh one, `introduce` tells the node our grant, `give_voucher` hands
    one in over HTTP, `disclose` shows single messages of one that counts, `grant` gives any grant as it was signed."""

    url: str
    node_id: Callable[[], Awaitable[bytes]]
    transport: Callable[[], Awaitable[Transport]]
    introduce: Callable[[], Awaitable[None]]
    give_voucher: Callable[[Voucher], Awaitable[None]]
    disclose: Callable[[Disclosure], Awaitable[None]]
    grant: Callable[[bytes], Awaitable[bytes]]


class Link:
    """`node_id` and `url` are those of the last node that took the log-in; `nodes` are all that ever did."""

    def __init__(self, sources: Sequence[Source], request: Request, counts: InboxCounts) -> None:
        self.connected = asyncio.Event()
        self.transport: Transport | None = None
        self.node_id = b""
        self.url = ""
        self.nodes: dict[bytes, Source] = {}
        self._sources = sources
        self._request = request
        self._counts = counts
        self._attempt = 0
        self._opened_s = 0.0

    async def open(self, cursors: Mapping[bytes, str]) -> None:
        """Try the nodes in turn, going on after the cursor that is known of each, until one takes the log-in.

        Raises Refused where trying again cannot mend it."""
        while True:
            turn, place = divmod(self._attempt, len(self._sources))
            if turn and not place:
                await asyncio.sleep(_pause_s(turn))
            self._attempt += 1
            try:
                await self._open(self._sources[place], cursors)
                return
            except (Unreachable, TimedOut, BadAnswer):
                continue
            except Refused as refusal:
                if refusal.reason in FATAL or (refusal.reason in MENDABLE and len(self._sources) == 1):
                    raise

    async def close(self) -> None:
        """Idempotent. A connection that was lost at once counts as a failed attempt, so that the next `open` begins
        with the next node, and after a pause where all have had their turn."""
        transport, self.transport = self.transport, None
        self.connected.clear()
        if transport is not None:
            if asyncio.get_running_loop().time() - self._opened_s > LONGEST_DELAY_S:
                self._attempt = 0
            await transport.close()

    async def _open(self, source: Source, cursors: Mapping[bytes, str]) -> None:
        node_id = await source.node_id()
        request = Request(self._request.device, cursors.get(node_id, self._request.cursor), self._request.topics)
        try:
            transport = await _opened(source, request)
        except Refused as refusal:
            if refusal.reason not in MENDABLE:
                raise
            await source.introduce()
            transport = await _opened(source, request)
        self.transport, self.node_id, self.url = transport, node_id, source.url
        self.nodes[node_id] = source
        self._opened_s = asyncio.get_running_loop().time()
        self._counts.connections += 1
        self.connected.set()


async def _opened(source: Source, request: Request) -> Transport:
    transport = await source.transport()
    try:
        await transport.open(request)
    except BaseException:
        await transport.close()
        raise
    return transport


def _pause_s(turn: int) -> float:
    return min(FIRST_DELAY_S * 2.0 ** min(turn - 1, 10), LONGEST_DELAY_S) * random.uniform(0.5, 1.0)
