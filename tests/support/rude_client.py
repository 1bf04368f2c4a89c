"""A client that asks, reads next to nothing and then cuts its connection with a reset, as a phone out of reach does."""

import asyncio
import socket
import struct

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
_WINDOW_BYTES = 2_048
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class RudeClient:
    """One connection; `reset` ends it without a word."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
        self._port = port

    async def ask(self, path: str, *, upgrade: bool = False) -> None:
        """Send the head of a request, and of nothing else."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE if upgrade else ''}\r\n"
        await loop.sock_sendall(self._socket, head.encode())

    async def say(self, text: bytes) -> None:
        """A short WebSocket message, under the mask of zeros."""
        frame = bytes((0x81, 0x80 | len(text))) + bytes(4) + text
        await asyncio.get_running_loop().sock_sendall(self._socket, frame)

    async def hear(self) -> bytes:
        """Some of what has come."""
        return await asyncio.get_running_loop().sock_recv(self._socket, 200)

    def reset(self) -> None:
        """Cut it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._socket.close()
