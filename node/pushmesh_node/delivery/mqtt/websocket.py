"""MQTT over WebSocket (MQTT 5, section 6): binary messages are the stream of bytes, wherever they are cut."""

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Denied
from ...http_kit import address_of
from .endpoint import MqttEndpoint
from .link import GOODBYE_S, Link

PATH = "/mqtt"
SUBPROTOCOL = "mqtt"

HIGH_BYTES, LOW_BYTES = 65_536, 16_384
"""Above the one a link is told to wait until no more than the other is left to write."""


PARTING_S = 1.0
"""A client has so long to read what was written last, before the close is said."""


class SocketRoute:
    """GET /mqtt; `message_bytes` is the largest WebSocket message of a client."""

    def __init__(self, endpoint: MqttEndpoint, message_bytes: int, close_s: float = 5.0) -> None:
        self._endpoint = endpoint
        self._message_bytes = message_bytes
        self._close_s = close_s

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection to its end. Raises Denied before the upgrade."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if SUBPROTOCOL not in map(str.strip, offered):
            raise Denied(Reason.BAD_REQUEST, "MQTT over WebSocket has the subprotocol mqtt")
        link = self._endpoint.admit(address_of(request))
        if link is None:
            raise Denied(Reason.TOO_MANY_CONNECTIONS, "this node has no room for another connection")
        try:
            socket = web.WebSocketResponse(
                protocols=(SUBPROTOCOL,), compress=False, max_msg_size=self._message_bytes, timeout=self._close_s
            )
            await socket.prepare(request)
            if request.transport is not None:
                await _Stream(socket, link, request.transport).run()
        finally:
            link.connection_lost(None)
        return socket


class _Stream(asyncio.Transport):
    """A WebSocket as the stream of bytes that a link writes to."""

    def __init__(self, socket: web.WebSocketResponse, link: Link, below: asyncio.Transport) -> None:
        super().__init__()
        self._socket = socket
        self._link = link
        self._below = below
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_closing = False
        self._readable = asyncio.Event()
        self._readable.set()
        self._writing: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Read until the connection is closed by either side."""
        self._link.connection_made(self)
        try:
            await self._read()
        finally:
            self._is_closing = True
            self._left.set()
            if self._writing is not None:
                _, late = await asyncio.wait((self._writing,), timeout=GOODBYE_S)
                if late:  # who said good-bye takes no bytes
                    self.abort()
                    await asyncio.wait(late)

    async def _read(self) -> None:
        while True:
            await self._readable.wait()
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                self._link.data_received(message.data)
            elif message.type is WSMsgType.TEXT:  # MQTT-6.0.0-1
                await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"MQTT is binary")
                return
            else:  # every other kind that is given out is the connection's end
                return

    async def _write(self) -> None:
        """As long as something waits; then say good-bye where that was the last."""
        try:
            while self._waiting:
                data = b"".join(self._waiting)
                self._waiting.clear()
                await self._socket.send_frame(data, WSMsgType.BINARY)
                self._waiting_bytes -= len(data)
                if self._is_paused and self._waiting_bytes <= LOW_BYTES:
                    self._is_paused = False
                    self._link.resume_writing()
            if self._is_closing:
                await self._until_left()
                await self._socket.close()
        except (ConnectionError, TimeoutError):
            self.abort()
        finally:
            self._writing = None

    async def _until_left(self) -> None:
        """A client that reads what was written last mostly hangs up by itself; some drop what they have not read when
        the close comes with it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                await self._left.wait()

    def _wake(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="mqtt-websocket")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue; the link is told to wait where too much is queued."""
        if self._is_closing:
            return
        self._waiting.append(bytes(data))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > HIGH_BYTES and not self._is_paused:
            self._is_paused = True
            self._link.pause_writing()
        self._wake()

    def get_write_buffer_size(self) -> int:
        """What is queued here; the socket below may hold some more."""
        return self._waiting_bytes

    def pause_reading(self) -> None:
        """The WebSocket below stops reading soon after."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._readable.set()

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closing

    def close(self) -> None:
        """Write what is queued, then close."""
        if not self._is_closing:
            self._is_closing = True
            self._readable.set()
            self._wake()

    def can_write_eof(self) -> bool:
        """A WebSocket says by itself that it ends."""
        return True

    def write_eof(self) -> None:
        """Closing goes on reading until the client leaves."""
        self.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._is_closing = True
        self._left.set()
        self._readable.set()
        self._below.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the socket below."""
        return self._below.get_extra_info(name, default)
