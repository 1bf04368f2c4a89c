"""Finds peers: DNS lists, multicast DNS and the DHT, each a task of its own, all of them into the peer book as hearsay.

It dials nobody and ends no connection; it says how many connections the node should want."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from ..gossip.wire.node_ids import to_peer_id
from ..ipc import Discovery as Settings
from .connection import Connection, Handler
from .dht import Dht, DhtPorts
from .dnsaddr import Resolver, resolve_list
from .errors import SourceError
from .hosts import Address
from .mdns import Mdns
from .retrying import keep_asking
from .sources import Source
from .walks import Walks

DNS_AGAIN_S: Final = 600.0
WALK_TICK_S: Final = 1.0
WALK_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What discovery is given of its node. `target_peers` is the operator's; `lacking_topics` counts the joined topics
    that lack peers now; `hear` takes what a source told, and gives how many peers were news."""

    own: bytes
    network_id: bytes
    target_peers: int
    connections: Mapping[bytes, Connection]
    listening: Callable[[], Sequence[Address]]
    lacking_topics: Callable[[], int]
    hear: Callable[[Source, Iterable[Address]], int]
    count: Callable[[str, str, int], None]
    now_ms: Callable[[], int]


class Discovery:
    """`handlers` go to the host, `run` is its task."""

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self._settings = settings
        self._around = around
        self._walks = Walks(around.target_peers)
        self._met = trio.Event()  # somebody that takes part in the DHT
        ports = DhtPorts(
            around.connections,
            lambda told: around.hear(Source.DHT, told),
            lambda: len(around.connections) < self.wanted_peers,
            around.count,
            around.now_ms,
        )
        self._dht = Dht(around.own, around.network_id, ports)

    def handlers(self) -> dict[str, Handler]:
        """What peers may open."""
        return {self._dht.protocol: self._dht.answers.serve} if self._settings.dht else {}

    @property
    def wanted_peers(self) -> int:
        """Below so many connections, known peers should be dialled."""
        return self._walks.wanted_peers

    def gauges(self) -> list[tuple[str, str, int]]:
        """(name, label, value)."""
        return [("dht_nodes", "", len(self._dht)), ("wanted_peers", "", self.wanted_peers)]

    # What the node tells

    def arrived(self, connection: Connection) -> None:
        """A connection stands."""
        self._dht.arrived(connection)

    def identified(self, connection: Connection) -> None:
        """A peer said who it is."""
        if self._settings.dht and self._dht.identified(connection):
            self._met.set()

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._dht.left(connection)

    def not_reached(self, node_id: bytes) -> None:
        """A dial failed."""
        self._dht.not_reached(node_id)

    async def look_up(self, node_id: bytes) -> None:
        """Ask the DHT where a node is; what it tells comes as hearsay. Nothing happens where there is no DHT."""
        if self._settings.dht:
            await self._dht.look_up(to_peer_id(node_id))

    # Sources

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._settings.dns_lists:
                nursery.start_soon(self._keep_asking, Source.DNS, self._ask_dns)
            if self._settings.mdns:
                nursery.start_soon(self._keep_asking, Source.MDNS, self._mdns().serve)
            if self._settings.dht:
                nursery.start_soon(self._dht.run)
                nursery.start_soon(self._walk)

    async def _keep_asking(self, source: Source, ask: Callable[[], Awaitable[float]]) -> None:
        await keep_asking(source, ask, self._around.count, _random)

    async def _ask_dns(self) -> float:
        """Every list in turn; one that fails does not keep the others from being asked."""
        resolver = Resolver(self._settings.dns_servers)
        failure: SourceError | None = None
        for name in self._settings.dns_lists:
            try:
                found = await resolve_list(name, resolver.look_up)
            except SourceError as error:
                failure = error
                continue
            secrets.SystemRandom().shuffle(found)  # else everybody would dial the first of the list
            self._around.hear(Source.DNS, found)
        if failure is not None:
            raise failure
        return DNS_AGAIN_S

    def _mdns(self) -> Mdns:
        around = self._around
        return Mdns(
            around.network_id,
            self._settings.mdns_interfaces,
            around.listening,
            lambda told: around.hear(Source.MDNS, told),
        )

    async def _walk(self) -> None:
        await self._met.wait()
        around = self._around
        while True:
            if self._walks.is_due(around.now_ms(), len(around.connections), around.lacking_topics()):
                news = 0
                with trio.move_on_after(WALK_TIMEOUT_S):
                    news = await self._dht.look_up(self._next_key())
                around.count("dht_walks", "news" if news else "nothing", 1)
                self._walks.walked(around.now_ms(), news, around.lacking_topics())
            await trio.sleep(WALK_TICK_S)

    def _next_key(self) -> bytes:
        return to_peer_id(self._around.own if self._walks.is_for_itself else secrets.token_bytes(32))


def _random() -> float:
    return secrets.randbelow(1_000) / 1_000
