"""Listens for MQTT 5 clients and owns their connections. Serves anything that asyncio can run a protocol on."""

import asyncio
from typing import cast

from pushmesh_protocol.reasons import Reason

from .connection import Connection
from .events import Ended
from .limits import About, Limits
from .link import GOODBYE_S, Link, Links
from .ports import Ports
from .registry import Places
from .rendering import Renderer


class MqttEndpoint:
    """`await start()`, then `await close()`, which tells every client that the node is draining."""

    def __init__(self, node_id: bytes, network_id: bytes, ports: Ports, limits: Limits | None = None) -> None:
        self._limits = Limits() if limits is None else limits
        self._about = About(node_id, network_id, ports.inboxes.incarnation())
        self._renderer = Renderer(self._about.incarnation)
        self._ports = ports
        self._links = Links(self._limits)
        limits = self._limits
        self._places = Places(limits.connections, limits.connections_per_host, exempt_loopback=limits.exempt_loopback)
        self._alive: set[Link] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many clients there are, logged in or not."""
        return len(self._alive)

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        self._server = await asyncio.get_running_loop().create_server(self.new_link, host, port)

    def new_link(self) -> asyncio.Protocol:
        """The protocol of one more connection, on any stream transport."""
        return _Door(self)

    async def close(self) -> None:
        """Take no more clients, end all connections; returns in bounded time, with their acknowledgements stored."""
        if self._server is not None:
            self._server.close()
        links = list(self._alive)
        for link in links:
            link.handle(Ended(Reason.DRAINING, "the node is going down"))
        if links:
            waits = [asyncio.ensure_future(link.gone.wait()) for link in links]
            _, late = await asyncio.wait(waits, timeout=3 * GOODBYE_S)
            for wait in late:
                wait.cancel()

    def admit(self, host: str) -> Link | None:
        """The link of a connection from this host; None where there is no room for it."""
        if not self._places.take(host):
            self._ports.observe("connect", Reason.TOO_MANY_CONNECTIONS)
            return None
        ports = self._ports
        connection = Connection(
            self._about, self._limits, self._renderer, assigned_id=ports.random_id(), now_ms=ports.now_ms()
        )

        def gone(link: Link) -> None:
            self._places.give_back(host)
            self._alive.discard(link)

        link = Link(connection, self._limits, ports, self._links, host, gone)
        self._alive.add(link)
        return link


class _Door(asyncio.Protocol):
    """Stands in for a link until it is known where the connection comes from."""

    def __init__(self, endpoint: MqttEndpoint) -> None:
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        link = self._endpoint.admit(host)
        if link is None:
            cast(asyncio.Transport, transport).abort()  # uvloop's are one in all but the class
            return
        transport.set_protocol(link)
        link.connection_made(transport)
