"""multistream-select: agree on one protocol of a connection or stream. Bounded in line length and in attempts."""

from collections.abc import Container, Iterable
from typing import Final, Protocol

from .errors import NegotiationError

HEADER: Final = "/multistream/1.0.0"
NOT_AVAILABLE: Final = "na"
MAX_LINE_BYTES: Final = 1_024
MAX_ATTEMPTS: Final = 16


class Exact(Protocol):
    """What negotiation reads and writes; its own errors pass through."""

    async def read_exactly(self, n: int) -> bytes:
        """Exactly n bytes."""
        ...

    async def write(self, data: bytes) -> None:
        """All of `data`."""
        ...


async def propose(conn: Exact, protocols: Iterable[str]) -> str:
    """The first protocol that the other side takes. Raises NegotiationError if it takes none."""
    opening = _line(HEADER)
    for protocol in protocols:
        await conn.write(opening + _line(protocol))
        if opening:
            await _read_header(conn)
            opening = b""
        answer = await _read_line(conn)
        if answer == protocol:
            return protocol
        if answer != NOT_AVAILABLE:
            raise NegotiationError("the peer answered neither the protocol nor that it has it not")
    raise NegotiationError("the peer has none of the protocols")


async def answer(conn: Exact, supported: Container[str]) -> str:
    """The protocol that the other side chose. Raises NegotiationError when it gives up or asks too often."""
    await conn.write(_line(HEADER))
    await _read_header(conn)
    for _ in range(MAX_ATTEMPTS):
        wanted = await _read_line(conn)
        if wanted in supported:
            await conn.write(_line(wanted))
            return wanted
        await conn.write(_line(NOT_AVAILABLE))
    raise NegotiationError("the peer asked for too many protocols")


async def _read_header(conn: Exact) -> None:
    if await _read_line(conn) != HEADER:
        raise NegotiationError("the peer does not speak multistream-select")


def _line(text: str) -> bytes:
    data = text.encode() + b"\n"
    head = bytes((len(data),)) if len(data) < 0x80 else bytes((len(data) & 0x7F | 0x80, len(data) >> 7))
    return head + data


async def _read_line(conn: Exact) -> str:
    length = (await conn.read_exactly(1))[0]
    if length >= 0x80:
        length = length & 0x7F | (await conn.read_exactly(1))[0] << 7
    if not 0 < length <= MAX_LINE_BYTES:
        raise NegotiationError("a negotiation line is empty or too long")
    data = await conn.read_exactly(length)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NegotiationError("a negotiation line is not UTF-8") from error
    if not text.endswith("\n"):
        raise NegotiationError("a negotiation line does not end")
    return text[:-1]
