"""Looks at the header of every Yamux frame of a peer before libp2p's Yamux does: what breaks the protocol ends the
connection, and more frames a second than an honest peer needs are read slowly. It never looks at data."""

import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, Protocol

import trio
from libp2p.io.exceptions import IOException
from libp2p.network.connection.exceptions import RawConnError

from .rate import Rate

HEADER: Final = struct.Struct(">BBHII")  # version, type, flags, stream, length
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN: Final = 1
ALL_FLAGS: Final = 0b1111

MAX_FRAME_BYTES: Final = 1024 * 1024
FRAMES_PER_S: Final = 4_000
STREAMS_PER_S: Final = 50
PINGS_PER_S: Final = 10
_GONE = (IOException, RawConnError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Violation(Exception):
    """The peer sent what no Yamux sends, or more of something than any needs; the connection ends."""


class Secured(Protocol):
    """A connection whose bytes are decrypted."""

    def take(self, n: int) -> bytes:
        """Exactly n bytes, if so many are there without waiting; else b""."""
        ...

    async def read(self, n: int) -> bytes:
        """At least one byte and at most n; b"" at the end."""
        ...


class HeaderGuard:
    """Stands before a secured connection, whose other methods it passes on. `violation` says what ended it, if that
    was the peer's doing. `take_data(stream, length)` is asked for each frame of plain data, by far the most: what it
    takes Yamux never sees."""

    def __init__(self, conn: Secured, take_data: Callable[[int, int], Awaitable[bool]]) -> None:
        self.violation = ""
        self._take_data = take_data
        self._conn = conn
        now_s = trio.current_time()
        self._frames = Rate(FRAMES_PER_S, now_s)
        self._streams = Rate(STREAMS_PER_S, now_s)
        self._pings = Rate(PINGS_PER_S, now_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def read(self, n: int | None = None) -> bytes:
        """The next header, whole or cut off by the end of the connection: Yamux reads nothing else here."""
        while len(header := await self.read_exactly(HEADER.size)) == HEADER.size:
            version, kind, flags, stream_id, length = HEADER.unpack(header)
            await self._check(version, kind, flags, length)
            if kind != DATA or flags or not await self._take_data(stream_id, length):
                break
        return header

    async def read_exactly(self, n: int) -> bytes:
        """n bytes of anything, fewer where the connection ends. Bytes that do not decrypt are a violation."""
        data = self.take(n)
        while len(data) < n and (more := await self.read_some(n - len(data))):
            data += more
        return data

    def take(self, n: int) -> bytes:
        """n bytes of anything without waiting, b"" where they are not there yet."""
        try:
            return self._conn.take(n)
        except Exception as error:  # as in `read_some`
            self._refuse(f"not decrypted: {type(error).__name__}", error)

    async def read_some(self, n: int) -> bytes:
        """Up to n bytes of anything; b"" at the end. Bytes that do not decrypt are a violation."""
        try:
            return await self._conn.read(n)
        except _GONE:
            raise
        except Exception as error:  # what the cipher raises is of no common kind
            self._refuse(f"not decrypted: {type(error).__name__}", error)

    async def _check(self, version: int, kind: int, flags: int, length: int) -> None:
        now_s = trio.current_time()
        if version or kind > GO_AWAY or flags & ~ALL_FLAGS:
            self._refuse("no yamux header")
        if kind == DATA and length > MAX_FRAME_BYTES:
            self._refuse("oversize frame")
        if kind in (DATA, WINDOW_UPDATE) and flags & SYN and self._streams.take(now_s):
            self._refuse("too many streams")
        if kind == PING and self._pings.take(now_s):
            self._refuse("too many pings")
        if too_early_s := self._frames.take(now_s):
            await trio.sleep(too_early_s)

    def _refuse(self, what: str, cause: Exception | None = None) -> NoReturn:
        self.violation = what
        raise Violation(what) from cause
