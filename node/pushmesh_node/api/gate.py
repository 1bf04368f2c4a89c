"""The gate before the HTTP server: counts connections, in all and per place, and cuts those that send no request."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import msgspec

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..remote import is_this_machine, place_of
from ..sockets import give_up_after
from .errors import Refused, uncounted
from .statuses import status_of

ProtocolFactory = Callable[[], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Connections at a time, in all and per place, the time for the head of the first request, and how long a client
    may take nothing of an answer."""

    connections: int = 16_384
    per_place: int = 256
    exempt_loopback: bool = True
    header_s: float = 10.0
    stuck_s: float = 60.0


class Gate:
    """Wraps a server's protocol factory. Every connection goes through it, whatever it turns into; `report` counts
    those that are refused or cut."""

    def __init__(self, limits: GateLimits, report: Refused = uncounted) -> None:
        self.limits = limits
        self._report = report
        self._count = 0
        self._places: Counter[str] = Counter()
        self._others: set[asyncio.Transport] = set()
        self._emptied: asyncio.Event | None = None
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return self._count

    def wrap(self, server: ProtocolFactory) -> ProtocolFactory:
        """The factory to listen with."""
        return lambda: _Door(self, server)

    def started(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request head has come over this connection; the server's own timeouts hold from here. Idempotent."""
        timer = self._waiting.pop(transport, None) if transport is not None else None
        if timer is not None:
            timer.cancel()

    def enter(self, transport: asyncio.Transport, address: str) -> bool:
        """Whether the connection may stay; a refused one must not `leave`."""
        if self._count >= self.limits.connections or self._is_full(address):
            self._report(Reason.TOO_MANY_CONNECTIONS)
            return False
        self._count += 1
        self._places[place_of(address)] += 1
        give_up_after(transport, self.limits.stuck_s)
        loop = asyncio.get_running_loop()
        self._waiting[transport] = loop.call_later(self.limits.header_s, self._cut, transport)
        return True

    def leave(self, transport: asyncio.BaseTransport, address: str) -> None:
        """The connection is gone."""
        self.started(transport)
        self._others.discard(cast(asyncio.Transport, transport))
        if self._emptied is not None and not self._others:
            self._emptied.set()
        self._count -= 1
        place = place_of(address)
        self._places[place] -= 1
        if not self._places[place]:
            del self._places[place]

    def handed_over(self, transport: asyncio.Transport) -> None:
        """The connection is no longer the HTTP server's, which will not wait for it when it ends."""
        self._others.add(transport)

    async def empty(self, within_s: float) -> None:
        """Wait until the connections that were handed over are closed, and cut those that are not by then."""
        self._emptied = asyncio.Event()
        try:
            async with asyncio.timeout(within_s):
                while self._others:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            for transport in tuple(self._others):
                transport.abort()

    def _is_full(self, address: str) -> bool:
        if self._places[place_of(address)] < self.limits.per_place:
            return False
        return not (self.limits.exempt_loopback and is_this_machine(address))

    def _cut(self, transport: asyncio.Transport) -> None:
        self._waiting.pop(transport, None)
        self._report(Reason.TIMEOUT)
        transport.abort()


class _Door(asyncio.Protocol):
    """One connection: passes everything on to the server's own protocol once it has been let in."""

    def __init__(self, gate: Gate, server: ProtocolFactory) -> None:
        self._gate = gate
        self._server = server
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._address = ""

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """From here on the connection is this protocol's; the server's own has let go of it, or does so now."""
        assert self._transport is not None  # it was let in
        self._inner = protocol
        self._gate.handed_over(self._transport)
        protocol.connection_made(self._transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are one in all but the class
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._gate.enter(transport, self._address):
            transport.write(TOO_MANY)
            transport.close()
            return
        self._transport = transport
        self._inner = self._server()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None and self._transport is not None:
            self._gate.leave(self._transport, self._address)
            self._inner.connection_lost(exc)


def _refusal() -> bytes:
    denied = Denied(Reason.TOO_MANY_CONNECTIONS, "this node has no room for another connection")
    body = msgspec.json.encode(denied.as_json())
    head = (
        f"HTTP/1.1 {status_of(denied.reason)} Too Many Requests\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


TOO_MANY = _refusal()
"""Said to a connection that is not let in, before a byte of it is read."""
