"""WebSocket as a byte stream on a TCP connection, either end, with wsproto as the codec. Knows nothing of what it
carries, and reads no further ahead than one piece of the socket."""

from typing import Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from .guard import PINGS_PER_S
from .rate import Rate

READ_BYTES: Final = 65_536
GOODBYE_TIMEOUT_S: Final = 1.0
EVENTS_PER_S: Final = 8_000
"""Messages and parts of them; six bytes are enough for one that holds nothing."""


class WebSocketStream:
    """Over an open socket. `dialled` is the host and port of a server that this node called, "" where it was called.

    The handshake is part of the first call. One task reads, one writes. Whatever the other end breaks is
    BrokenResourceError, as if the connection broke."""

    def __init__(self, stream: trio.SocketStream, dialled: str = "") -> None:
        self.socket = stream.socket
        self.received_bytes = 0  # of the socket
        self._stream = stream
        self._dialled = dialled
        self._ws = WSConnection(ConnectionType.CLIENT if dialled else ConnectionType.SERVER)
        self._is_open = False
        self._began = False
        self._ended = False
        self._incoming = bytearray()
        self._one_writer = trio.Lock()
        self._pings = Rate(PINGS_PER_S, trio.current_time())
        self._events = Rate(EVENTS_PER_S, trio.current_time())

    async def receive_some(self, max_bytes: int) -> bytes:
        """Bytes as soon as there are any; b"" when the other end said good-bye or is gone."""
        while not self._incoming and not self._ended:
            await self._advance()
        data = bytes(self._incoming[:max_bytes])
        del self._incoming[:max_bytes]
        return data

    async def send_all(self, data: bytes) -> None:
        """One binary message."""
        while not self._is_open and not self._ended:
            await self._advance()
        await self._send(BytesMessage(data))

    async def aclose(self) -> None:
        """Says good-bye, a second at most. Idempotent."""
        if self._is_open and not self._ended:
            self._ended = True
            with trio.move_on_after(GOODBYE_TIMEOUT_S):
                try:
                    await self._send(CloseConnection(1000))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass  # it is gone already
        await self._stream.aclose()

    async def _advance(self) -> None:
        """One read of the socket and what follows from it."""
        if self._dialled and not self._began:
            self._began = True
            await self._send(Request(host=self._dialled, target="/"))
        data = await self._stream.receive_some(READ_BYTES)
        self.received_bytes += len(data)
        try:
            self._ws.receive_data(data or None)
            events = list(self._ws.events())
        except ProtocolError as error:
            raise trio.BrokenResourceError(f"no WebSocket: {error}") from error
        for event in events:
            await self._take(event)
        if too_early_s := self._events.take(trio.current_time(), len(events)):
            await trio.sleep(too_early_s)
        if not data:
            self._ended = True

    async def _take(self, event: Event) -> None:
        match event:
            case BytesMessage():
                self._incoming += event.data
            case Request():
                self._is_open = True
                await self._send(AcceptConnection())
            case AcceptConnection():
                self._is_open = True
            case Ping():
                if self._pings.take(trio.current_time()):
                    raise trio.BrokenResourceError("too many pings")
                await self._send(event.response())
            case CloseConnection():
                self._ended = True
            case TextMessage() | RejectConnection() | RejectData():
                raise trio.BrokenResourceError("no WebSocket of bytes")
            case Pong():
                pass

    async def _send(self, event: Event) -> None:
        async with self._one_writer:
            try:
                data = self._ws.send(event)
            except ProtocolError as error:
                raise trio.BrokenResourceError(f"the WebSocket is closed: {error}") from error
            await self._stream.send_all(data)
