"""A request that becomes a WebSocket: the handshake, and the connection taken from the HTTP server.

The server's parser, tasks and request then go, so that an idle connection weighs what its own protocol weighs.
"""

import asyncio
from typing import Protocol, cast

from aiohttp import hdrs, web

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from .ws_frames import accept_of, is_key


class Door(Protocol):
    """What every connection of the HTTP server is behind."""

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """From here on the connection is this protocol's."""


class _Rest:
    """What the client sent behind its request; in the place of a parser, which the server fills."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def handshake_of(request: web.Request) -> str:
    """The key of a WebSocket handshake. Raises Denied `bad-request` where the request is none."""
    headers = request.headers
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "")
    is_upgrade = headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    asks = "upgrade" in [part.strip().lower() for part in headers.get(hdrs.CONNECTION, "").split(",")]
    if not (is_upgrade and asks and is_key(key)):
        raise Denied(Reason.BAD_REQUEST, "this path speaks WebSocket: upgrade to it")
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        raise Denied(Reason.BAD_REQUEST, "WebSocket version 13 is spoken here")
    return key


def upgrade(request: web.Request, key: str, protocol: asyncio.Protocol, *, subprotocol: str = "") -> web.StreamResponse:
    """Answer the handshake and give the connection to `protocol`, with what the client sent already. What is returned
    is the handler's answer, which goes nowhere; where the client has gone, the protocol is never called."""
    gone = web.StreamResponse(status=101)
    transport, handler = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return gone
    chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_of(key)}\r\n{chosen}"
    transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
    rest = _Rest()
    handler.set_parser(rest)  # type: ignore[arg-type]  # it calls the two methods only
    handler.transport = None  # so that the server takes the connection for lost, and does not close it
    handler.connection_lost(None)
    if not transport.is_reading():
        transport.resume_reading()
    cast(Door, transport.get_protocol()).hand_over(protocol)
    if rest.data:
        protocol.data_received(rest.data)
    return gone
