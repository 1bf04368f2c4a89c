"""WebSocket frames (RFC 6455) of a server, as bytes: reads what clients send, whole or in fragments, and makes heads.

No extension, no socket: a connection that is idle keeps nothing here.
"""

import base64
import binascii
import hashlib
from enum import IntEnum

import msgspec

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
MOST_CONTROL_BYTES = 125
MOST_AT_ONCE = 1_024
"""Frames that one call looks at, so that a flood of small ones leaves others their turn."""
PING = b"\x89\x00"
"""A whole ping without payload."""


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection is closed (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011


_OPCODES = frozenset(Opcode)
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Those that may be sent; others below 3000 are reserved."""


class BrokenFrames(Exception):
    """The client does not keep to the protocol; close with this code."""

    def __init__(self, code: CloseCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Received(msgspec.Struct, frozen=True, gc=False):
    """One whole message or control frame, unmasked."""

    opcode: int
    payload: bytes


class FrameReader:
    """Collects bytes and gives what is whole, in order; `limit_bytes` bounds one message.

    Where `has_more`, more is whole than was looked at: feed it nothing, a little later."""

    __slots__ = ("_held", "_limit_bytes", "_opcode", "_parts", "_size", "_wanted_bytes", "has_more")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: bytearray | None = None
        self._wanted_bytes = 0
        self._opcode = 0
        self._parts: list[bytes] | None = None
        self._size = 0
        self.has_more = False

    def feed(self, data: bytes) -> list[Received]:
        """Raises BrokenFrames; the connection is of no more use then."""
        if self._held is not None:
            self._held += data
            if len(self._held) < self._wanted_bytes:  # else a large frame in small pieces is copied with each of them
                return []
            data = bytes(self._held)
        found: list[Received] = []
        at = looked = 0
        self._wanted_bytes = 0
        self.has_more = False
        while looked < MOST_AT_ONCE and (head := _head(data, at, self._limit_bytes)) is not None:
            final, opcode, start, end = head
            if end > len(data):
                self._wanted_bytes = end - at
                break
            received = self._take(final, opcode, _unmasked(data[start : start + 4], data[start + 4 : end]))
            if received is not None:
                found.append(received)
            at, looked = end, looked + 1
        self.has_more = looked == MOST_AT_ONCE and at < len(data)
        self._held = bytearray(data[at:]) if at < len(data) else None
        return found

    def _take(self, final: bool, opcode: int, payload: bytes) -> Received | None:
        if opcode >= Opcode.CLOSE:
            if opcode == Opcode.CLOSE:
                _check_close(payload)
            return Received(opcode, payload)
        if opcode == Opcode.CONTINUATION:
            if self._parts is None:
                raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a continuation of nothing")
        elif self._parts is not None:
            raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a new message within another one")
        elif final:
            return Received(opcode, payload)
        else:
            self._opcode, self._parts, self._size = opcode, [], 0
        return self._join(final, payload)

    def _join(self, final: bool, payload: bytes) -> Received | None:
        assert self._parts is not None  # a fragment began
        self._size += len(payload) + 16  # empty fragments cost something too
        if self._size > self._limit_bytes:
            raise BrokenFrames(CloseCode.TOO_BIG, f"a message has at most {self._limit_bytes} bytes")
        self._parts.append(payload)
        if not final:
            return None
        whole, self._parts = b"".join(self._parts), None
        return Received(self._opcode, whole)


def _head(data: bytes, at: int, limit_bytes: int) -> tuple[bool, int, int, int] | None:
    """(final, opcode, where its mask begins, where the next one begins), None where the head is not whole yet."""
    if len(data) - at < 2:
        return None
    first, second = data[at], data[at + 1]
    final, opcode = bool(first & _FINAL), first & 0x0F
    if first & _RESERVED or opcode not in _OPCODES:
        raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a frame of an extension that was not agreed on")
    if not second & _MASKED:
        raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a client masks its frames")
    size, start = second & 0x7F, at + 2
    if opcode >= Opcode.CLOSE and (not final or size > MOST_CONTROL_BYTES):
        raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a control frame is one short frame")
    if size >= 126:
        wide = 2 if size == 126 else 8
        size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
        if len(data) < start:
            return None
    if size > limit_bytes:
        raise BrokenFrames(CloseCode.TOO_BIG, f"a message has at most {limit_bytes} bytes")
    return final, opcode, start, start + 4 + size


def _check_close(payload: bytes) -> None:
    """Raises BrokenFrames for what is no good-bye (RFC 6455, 5.5.1 and 7.4): nothing, or a code and a text."""
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CLOSE_CODES or 3_000 <= code < 5_000):
        raise BrokenFrames(CloseCode.PROTOCOL_ERROR, "a close has a code that may be sent, or none")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise BrokenFrames(CloseCode.NOT_UTF8, "the reason of a close is a text") from error


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    size = len(payload)
    if not size or mask == b"\0\0\0\0":
        return payload
    pad = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A whole frame of a server."""
    size = len(payload)
    first = _FINAL | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A frame that closes; `reason` is cut to what fits."""
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()[: MOST_CONTROL_BYTES - 2])


def is_key(text: str) -> bool:
    """Whether this is a Sec-WebSocket-Key: 16 bytes as base64."""
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept of a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
