"""Where connections come in: plain, or under TLS. Each takes its place before anything is done for it."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from pushmesh_protocol.reasons import Reason

from .link import Link

Admit = Callable[[str], Link | None]
"""The link of a connection from a host; None where there is no room for it."""

BACKLOG = 1_024
REST_S = 1.0
"""Before the next attempt where the machine has no room for a connection."""


class Door(Protocol):
    """What listens."""

    port: int

    async def close(self) -> None:
        """Listen no more, and hang up on who is not in yet."""


class PlainDoor:
    """A door without TLS; `await PlainDoor.open(...)` raises OSError where the address cannot be had."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port = int(server.sockets[0].getsockname()[1])

    @classmethod
    async def open(cls, host: str, port: int, admit: Admit) -> "PlainDoor":
        """Listen."""
        loop = asyncio.get_running_loop()
        return cls(await loop.create_server(lambda: _Threshold(admit), host, port, backlog=BACKLOG))

    async def close(self) -> None:
        """Listen no more."""
        self._server.close()


class _Threshold(asyncio.Protocol):
    """Stands in for a link until it is known where the connection comes from."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are one in all but the class
        link = self._admit(_host(transport.get_extra_info("peername")))
        if link is None:
            transport.abort()
            return
        transport.set_protocol(link)
        link.connection_made(transport)


Tls = Callable[[], ssl.SSLContext]
"""What the next handshake shows: a certificate may be renewed."""


class TlsDoor:
    """A door under TLS. It accepts by itself, because a server of asyncio tells of a connection only when its handshake
    is over: until then nobody would count it. `observe(what, reason)` counts handshakes that fail."""

    def __init__(
        self,
        tls: Tls,
        sockets: list[socket.socket],
        admit: Admit,
        handshake_s: float,
        observe: Callable[[str, str], None],
    ) -> None:
        self._tls = tls
        self._sockets = sockets
        self._admit = admit
        self._handshake_s = handshake_s
        self._observe = observe
        loop = asyncio.get_running_loop()
        self._accepting = [loop.create_task(self._accept(each), name="mqtt-tls-door") for each in sockets]
        self._handshakes: set[asyncio.Task[None]] = set()
        self.port = int(sockets[0].getsockname()[1])

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        admit: Admit,
        tls: Tls,
        handshake_s: float,
        observe: Callable[[str, str], None],
    ) -> "TlsDoor":
        """Listen. Raises OSError where the address cannot be had."""
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        try:
            for family, address in dict.fromkeys((each[0], each[4]) for each in found):
                sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
                sockets[-1].setblocking(False)
        except OSError:
            for each in sockets:
                each.close()
            raise
        return cls(tls, sockets, admit, handshake_s, observe)

    async def close(self) -> None:
        """Listen no more, and hang up on those whose handshake is not over."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError:  # out of file descriptors or memory, or who dialled has gone
                self._observe("connect", Reason.TOO_MANY_CONNECTIONS)
                await asyncio.sleep(REST_S)
                continue
            link = self._admit(_host(address))
            if link is None:
                connection.close()
                continue
            task = loop.create_task(self._shake_hands(connection, link), name="mqtt-tls")
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, link: Link) -> None:
        is_through = False
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link, connection, ssl=self._tls(), ssl_handshake_timeout=self._handshake_s
            )
            is_through = True
        except OSError:  # a client that speaks no TLS, knows no cipher of ours, or has gone
            self._observe("connect", Reason.BAD_REQUEST)
        finally:
            if not is_through and not link.has_begun:  # else its transport closes, and tells it so
                connection.close()
                link.connection_lost(None)


def _host(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) and address else ""
