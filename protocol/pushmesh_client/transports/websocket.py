"""The node's live stream over WebSocket: messages, acknowledgements and vouchers on one connection."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import aiohttp
import msgspec

from pushmesh_protocol.armor import to_text

from ..errors import TimedOut, Unreachable
from ..node import Node, refused
from .contract import Event, LogIn, Request
from .reading import Json, read_event, read_json

HEARTBEAT_S = 20.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_DOORS = {401: "login-required", 403: "forbidden", 429: "too-many-connections", 503: "not-ready"}
"""What a refused handshake means, whose body is lost."""


class WebSocketTransport:
    """See Transport."""

    answers_vouchers = True

    def __init__(self, node: Node, login: LogIn, *, timeout_s: float = 15.0) -> None:
        self._node = node
        self._login = login
        self._timeout_s = timeout_s
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._welcome: Json = {}

    async def open(self, request: Request) -> None:
        """Connect, log in by the first frame (a refused handshake would lose its reason), ask for the stream."""
        try:
            await self._open(request)
        except BaseException:
            await self.close()
            raise

    async def _open(self, request: Request) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._socket = await self._node.http.ws_connect(
                    self._node.url.joinpath("v1/stream"),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
                await self._send({"type": "login", "auth": await self._login()})
                answer = await self._receive()
        except TimeoutError as error:
            raise TimedOut(f"{self._node.url} did not open the stream within {self._timeout_s:g} s") from error
        except aiohttp.WSServerHandshakeError as error:
            raise refused(error.status, {"detail": error.message, "reason": _DOORS.get(error.status)}) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self._node.url, error) from error
        if answer.get("type") != "welcome":
            raise refused(0, answer)
        self._welcome = answer
        asked: dict[str, object] = {"type": "listen", "device": request.device}
        asked["topics"] = None if request.topics is None else list(request.topics)
        if request.cursor is not None:
            asked["cursor"] = request.cursor
        await self._send(asked)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Frames as they come; an error frame about this connection as a whole raises Refused."""
        assert self._socket is not None, "open first"
        if (welcome := read_event(self._welcome)) is not None:
            yield welcome
        while True:
            answer = await self._receive()
            is_of_a_topic = "topic" in answer  # the others come all the same
            if answer.get("type") == "error" and answer.get("about", "listen") == "listen" and not is_of_a_topic:
                raise refused(0, answer)
            event = read_event(answer)
            if event is not None:
                yield event

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """One frame for both."""
        text = None if voucher is None else to_text(voucher)
        await self._send({"type": "ack", "cursor": cursor, "voucher": text})

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> None:
        """The answer comes as an event."""
        await self._send({"type": "read", "cursor": cursor, "messages": list(messages)})

    async def close(self) -> None:
        """Says goodbye where somebody is there to hear it."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _send(self, frame: Json) -> None:
        if self._socket is None or self._socket.closed:
            raise Unreachable(f"the stream to {self._node.url} is closed")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send_str(msgspec.json.encode(frame).decode())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the stream to {self._node.url} broke off") from error

    async def _receive(self) -> Json:
        socket = self._socket
        assert socket is not None, "open first"
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                return read_json(message.data)
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise Unreachable(f"{self._node.url} closed the stream (code {socket.close_code})")
