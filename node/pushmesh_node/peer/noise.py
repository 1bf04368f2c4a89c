"""A connection after libp2p's Noise handshake: libp2p's cipher, but many messages of one read at a time and one write
for many. What a message carries is no matter here."""

from typing import Any, Final

import trio
from libp2p.abc import ISecureConn

from .errors import UpgradeError
from .rate import Rate
from .tcp import TcpConnection

LENGTH_BYTES: Final = 2
TAG_BYTES: Final = 16
MAX_PLAIN_BYTES: Final = 65_535 - TAG_BYTES  # of one message
MESSAGES_PER_S: Final = 12_000
"""Three times as many as Yamux frames (`guard.FRAMES_PER_S`), which come in a message or two each. One of eighteen
bytes that holds nothing takes as long to open as any other."""


class NoiseConnection:
    """Reads and writes in the place of libp2p's `session`, to which everything else is passed on. One reader and one
    writer at a time. Raises ConnectionClosedError, and whatever the cipher raises for bytes that do not decrypt."""

    def __init__(self, raw: TcpConnection, session: ISecureConn) -> None:
        cipher: Any = session.conn.noise_state  # type: ignore[attr-defined]  # every session has it, its interface not
        self._encrypt, self._decrypt = cipher.encrypt, cipher.decrypt
        self._raw = raw
        self._session = session
        self._sealed = b""
        self._at = 0  # where the next message begins in it
        self._plain = bytearray()
        self._opened = 0  # messages, since the last read of the socket
        self._messages = Rate(MESSAGES_PER_S, trio.current_time())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def take(self, n: int) -> bytes:
        """Exactly n bytes, if so many are there without waiting; else b""."""
        while len(self._plain) < n:
            if not self._open_next():
                return b""
        data = bytes(self._plain[:n])
        del self._plain[:n]
        return data

    async def read(self, n: int) -> bytes:
        """At least one byte and at most n; b"" at the end."""
        while not self._plain:
            if not self._open_next() and not await self._receive():
                return b""
        data = bytes(self._plain[:n])
        del self._plain[:n]
        return data

    async def read_exactly(self, n: int) -> bytes:
        """For negotiation. Raises UpgradeError at the end."""
        data = b""
        while len(data) < n:
            more = await self.read(n - len(data))
            if not more:
                raise UpgradeError("the connection ended")
            data += more
        return data

    def _open_next(self) -> bool:
        """Decrypt one message, if a whole one is there."""
        body = self._at + LENGTH_BYTES
        end = body + int.from_bytes(self._sealed[self._at : body], "big")
        if len(self._sealed) < max(body, end):
            return False
        self._plain += self._decrypt(self._sealed[body:end])
        self._at = end
        self._opened += 1
        return True

    async def _receive(self) -> bool:
        opened, self._opened = self._opened, 0
        if too_early_s := self._messages.take(trio.current_time(), opened):
            await trio.sleep(too_early_s)
        data = await self._raw.read()
        self._sealed, self._at = self._sealed[self._at :] + data, 0
        return bool(data)

    async def write(self, data: bytes) -> None:
        """All of `data`."""
        messages = []
        for start in range(0, len(data), MAX_PLAIN_BYTES):
            sealed = self._encrypt(data[start : start + MAX_PLAIN_BYTES])
            messages += [len(sealed).to_bytes(LENGTH_BYTES, "big"), sealed]
        await self._raw.write(b"".join(messages))
