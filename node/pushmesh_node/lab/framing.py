"""Just enough of WebSocket (RFC 6455) for the laboratory's own processes: cheap, no fragments, no compression.

The mask of a client's frames is four zero bytes, so that frames can be built beforehand and masking costs nothing.
"""

import base64
import hashlib
import os
import socket

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ZERO_MASK = bytes(4)
HEAD_LIMIT = 16_384


class FramingError(Exception):
    """The other side does not speak WebSocket as it is spoken here, or closed the connection."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole masked frame."""
    return _head(opcode, len(payload), 0x80) + _ZERO_MASK + payload


def server_frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame without mask."""
    return _head(opcode, len(payload), 0) + payload


def _head(opcode: int, size: int, mask: int) -> bytes:
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, mask | size))
    if size < 65_536:
        return bytes((first, mask | 126)) + size.to_bytes(2, "big")
    return bytes((first, mask | 127)) + size.to_bytes(8, "big")


class FrameReader:
    """Collects bytes and gives whole frames."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(opcode, payload) of every frame that is whole now. Raises FramingError for a fragment or a real mask."""
        data = self._held + data
        frames: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while at + 2 <= end:
            first, second = data[at], data[at + 1]
            size, start = second & 0x7F, at + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if second & 0x80:
                start += 4
            if start + size > end:
                break
            if second & 0x80 and data[start - 4 : start] != _ZERO_MASK:
                raise FramingError("a frame is masked with something else than zeros")
            if not first & 0x80:
                raise FramingError("a message comes in fragments")
            frames.append((first & 0x0F, data[start : start + size]))
            at = start + size
        self._held = data[at:]
        return frames


def connect(host: str, port: int, path: str, timeout_s: float = 10.0) -> tuple[socket.socket, bytes]:
    """A socket that speaks WebSocket, and what came behind the answer's head. Raises FramingError or OSError."""
    link = socket.create_connection((host, port), timeout_s)
    try:
        return link, _shake_hands(link, f"{host}:{port}", path)
    except BaseException:
        link.close()
        raise


def _shake_hands(link: socket.socket, address: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = link.recv(HEAD_LIMIT)
        if not part or len(answer) > HEAD_LIMIT:
            raise FramingError(f"{address} did not answer the handshake")
        answer += part
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101") or accept_of(key) not in head:
        raise FramingError(f"{address} refused the handshake: {head.splitlines()[0].decode(errors='replace')}")
    return rest


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept of a key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
