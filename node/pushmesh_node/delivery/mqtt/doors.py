"""Where connections come in: plain, or under TLS. Each takes its place before anything is done for it."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from pushmesh_protocol.reasons import Reason

from .link import Link

Admit = Callable[[str], Link | None]
"""The link of a connection from a host; None where there is no room for it."""


class Door(asyncio.Protocol):
    """Stands in for a link until it is known where the connection comes from. With `secure` it hands the connection
    on, unread, to be put under TLS."""

    def __init__(self, admit: Admit, secure: Callable[[asyncio.Transport, Link], None] | None = None) -> None:
        self._admit = admit
        self._secure = secure

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or hang up."""
        transport = cast(asyncio.Transport, transport)  # uvloop's are one in all but the class
        peer = transport.get_extra_info("peername")
        link = self._admit(str(peer[0]) if isinstance(peer, tuple) and peer else "")
        if link is None:
            transport.abort()
        elif self._secure is None:
            transport.set_protocol(link)
            link.connection_made(transport)
        else:
            transport.pause_reading()
            self._secure(transport, link)


class Handshakes:
    """The TLS handshakes that are under way; none takes longer than `timeout_s`. `observe(what, reason)` counts those
    that fail."""

    def __init__(self, tls: ssl.SSLContext, timeout_s: float, observe: Callable[[str, str], None]) -> None:
        self._tls = tls
        self._timeout_s = timeout_s
        self._observe = observe
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, transport: asyncio.Transport, link: Link) -> None:
        """Put a connection under TLS, then give it to its link."""
        task = asyncio.get_running_loop().create_task(self._shake_hands(transport, link), name="mqtt-tls")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Hang up on those that are not through."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shake_hands(self, transport: asyncio.Transport, link: Link) -> None:
        early, secured = _Early(), None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, early, self._tls, server_side=True, ssl_handshake_timeout=self._timeout_s
            )
        except OSError:  # a client that speaks no TLS, knows no cipher of ours, or has gone
            self._observe("connect", Reason.BAD_REQUEST)
        finally:
            if secured is None:
                transport.abort()
                link.connection_lost(None)
        if secured is None:
            return
        if early.is_lost:
            link.connection_lost(None)
            return
        secured.set_protocol(link)
        link.connection_made(secured)
        if early.data:
            link.data_received(bytes(early.data))


class _Early(asyncio.Protocol):
    """Takes what comes between the last byte of a handshake and the task that waits for it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
