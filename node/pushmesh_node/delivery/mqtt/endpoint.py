"""Listens for MQTT 5 clients and owns their connections. Serves anything that asyncio can run a protocol on."""

import asyncio
from collections.abc import Collection, Sequence

from pushmesh_protocol.reasons import Reason

from .connection import Connection
from .doors import Door, PlainDoor, Tls, TlsDoor
from .events import Ended
from .limits import About, Limits, Redirect
from .link import GOODBYE_S, Link, Links
from .ports import Ports
from .registry import Places
from .rendering import Renderer


class MqttEndpoint:
    """`await listen()` for each door, then `await close()`, which tells every client that the node is draining, and
    where else to go."""

    def __init__(
        self,
        node_id: bytes,
        network_id: bytes,
        ports: Ports,
        limits: Limits | None = None,
        redirect: Redirect | None = None,
        hosts: Collection[str] = (),
    ) -> None:
        """`hosts`, which may grow, are the names that a log-in may be for."""
        self._limits = Limits() if limits is None else limits
        self._about = About(node_id, network_id, ports.inboxes.incarnation(), redirect or Redirect(), hosts)
        self._renderer = Renderer(self._about.incarnation)
        self._ports = ports
        self._links = Links(self._limits, ports)
        limits = self._limits
        self._places = Places(limits.connections, limits.connections_per_host, exempt_loopback=limits.exempt_loopback)
        self._alive: set[Link] = set()
        self._doors: list[Door] = []
        self._is_draining = False

    @property
    def port(self) -> int:
        """Where the first door is."""
        return self._doors[0].port

    @property
    def connections(self) -> int:
        """How many clients there are, logged in or not."""
        return len(self._alive)

    async def listen(self, host: str, port: int, tls: Tls | None = None) -> int:
        """Listen there too; returns the port. Raises OSError where the address cannot be had."""
        door: Door
        if tls is None:
            door = await PlainDoor.open(host, port, self.admit)
        else:
            handshake_s, observe = self._limits.connect_timeout_s, self._ports.observe
            door = await TlsDoor.open(host, port, self.admit, tls, handshake_s, observe)
        self._doors.append(door)
        return door.port

    async def close(self) -> None:
        """End all connections, and answer those that come meanwhile, so that they learn where to go; returns in bounded
        time, with their acknowledgements told to the node, and listens no more."""
        self._is_draining = True
        await self._end([link for link in self._alive if link.has_begun])
        for door in self._doors:
            await door.close()
        await self._end(list(self._alive))

    async def _end(self, links: Sequence[Link]) -> None:
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
            self._about,
            self._limits,
            self._renderer,
            assigned_id=ports.random_id(),
            now_ms=ports.now_ms(),
            is_draining=self._is_draining,
        )

        def gone(link: Link) -> None:
            self._places.give_back(host)
            self._alive.discard(link)

        link = Link(connection, self._limits, ports, self._links, host, gone)
        self._alive.add(link)
        return link
