"""Looks at the header of every Yamux frame of a peer before libp2p's Yamux does: what breaks the protocol ends the
connection, and more frames a second than an honest peer needs are read slowly. It never looks at data."""

import struct
from typing import Any, Final, NoReturn

import trio
from libp2p.abc import ISecureConn
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


class HeaderGuard:
    """Stands before a secured connection, whose other methods it passes on. `violation` says what ended it, if that
    was the peer's doing."""

    def __init__(self, conn: ISecureConn) -> None:
        self.violation = ""
        self._conn = conn
        now_s = trio.current_time()
        self._frames = Rate(FRAMES_PER_S, now_s)
        self._streams = Rate(STREAMS_PER_S, now_s)
        self._pings = Rate(PINGS_PER_S, now_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def read(self, n: int | None = None) -> bytes:
        """The next header, whole or cut off by the end of the connection: Yamux reads nothing else here."""
        header = await self.read_some(HEADER.size)
        while 0 < len(header) < HEADER.size:
            more = await self.read_some(HEADER.size - len(header))
            if not more:
                return header
            header += more
        if header:
            await self._check(*HEADER.unpack(header))
        return header

    async def read_some(self, n: int) -> bytes:
        """Up to n bytes of anything; b"" at the end. Bytes that do not decrypt are a violation."""
        try:
            return await self._conn.read(n)
        except _GONE:
            raise
        except Exception as error:  # what the cipher raises is of no common kind
            self._refuse(f"not decrypted: {type(error).__name__}", error)

    async def _check(self, version: int, kind: int, flags: int, stream_id: int, length: int) -> None:
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
