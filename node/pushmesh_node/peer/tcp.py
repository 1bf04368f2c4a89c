"""A TCP connection as libp2p wants it, read in large pieces. It knows nothing of what it carries."""

from contextlib import suppress
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, Final, Protocol

import trio
from libp2p.abc import IRawConnection
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import ConnectionClosedError

from ..gossip.windows import LEAST_BYTES
from .websocket import WebSocketStream

_READ_BYTES: Final = 65_536

_KERNEL_DOUBLES: Final = 2
"""Linux keeps twice of what it is told for a socket, half of it for its bookkeeping, and announces more than the other
half where segments are full."""


class ByteStream(Protocol):
    """A socket's stream, or one on top of it. Raises trio's resource errors only."""

    socket: trio.socket.SocketType

    async def receive_some(self, max_bytes: int) -> bytes | bytearray:
        """b"" at the end."""
        ...

    async def send_all(self, data: bytes) -> None:
        """All of it."""
        ...

    async def aclose(self) -> None:
        """Idempotent."""
        ...


class TcpConnection(IRawConnection):
    """`read` gives exactly n bytes, fewer only at the end of the stream (b"" when nothing is left).

    Without n it gives what is there, and waits only for the first byte.
    """

    def __init__(self, stream: ByteStream, outbound: bool) -> None:
        self.is_initiator = outbound
        self.received_bytes = 0
        self._stream = stream
        self._buffer = bytearray()
        peer = stream.socket.getpeername()
        self.remote: tuple[str, int] = (str(peer[0]), int(peer[1]))
        local = stream.socket.getsockname()
        self.local: tuple[str, int] = (str(local[0]), int(local[1]))
        self._window_bytes = 0
        self.bound_unread(LEAST_BYTES)

    def bound_unread(self, window_bytes: int) -> None:
        """About so much may be on its way to this end or unread in the kernel. What was announced is not taken back."""
        if window_bytes != self._window_bytes:
            self._window_bytes = window_bytes
            with suppress(OSError):  # a socket that is gone
                self._stream.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, window_bytes // _KERNEL_DOUBLES)

    @property
    def heard_something(self) -> bool:
        """Whether the other end ever sent a byte, be it one that led nowhere."""
        heard = isinstance(self._stream, WebSocketStream) and self._stream.received_bytes > 0
        return heard or self.received_bytes > 0

    async def read(self, n: int | None = None) -> bytes:
        """Raises ConnectionClosedError if the connection broke; one task at a time."""
        wanted = (len(self._buffer) or 1) if n is None else n
        while len(self._buffer) < wanted:
            piece = await self._receive(max(_READ_BYTES, wanted - len(self._buffer)))
            if not piece:
                break
            self._buffer += piece
        size = len(self._buffer) if n is None else wanted
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def read_exactly(self, n: int) -> bytes:
        """Raises ConnectionClosedError at the end of the stream too."""
        data = await self.read(n)
        if len(data) < n:
            raise ConnectionClosedError("the connection ended", transport="tcp")
        return data

    async def _receive(self, max_bytes: int) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("the connection broke", transport="tcp") from error
        self.received_bytes += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Raises ConnectionClosedError; one task at a time."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("the connection broke", transport="tcp") from error

    async def close(self) -> None:
        """Idempotent."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Close without waiting; whoever reads or writes gets ConnectionClosedError. Idempotent."""
        self._stream.socket.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        """(host, port) of the other end."""
        return self.remote

    def get_transport_addresses(self) -> list[Any]:
        """None: this room keeps addresses itself."""
        return []

    def get_connection_type(self) -> ConnectionType:
        """Always direct."""
        return ConnectionType.DIRECT
