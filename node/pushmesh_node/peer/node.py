"""The gossip process's parts put together: host, mesh, relay and peer book. Follows main's orders, tells of peers."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, cast

import structlog
import trio
from libp2p.crypto.keys import KeyPair

from ..gossip.events import Scored, Subscribed
from ..gossip.frames.inspection import Inspector
from ..gossip.parameters import MeshParameters, RouterLimits, RouterParameters
from ..gossip.router import Router
from ..gossip.wire.dialects import PROTOCOL_IDS
from ..ipc import (
    IPC_VERSION,
    Allowances,
    Ban,
    Credit,
    Dial,
    Down,
    IpcError,
    Judge,
    Known,
    Peer,
    Peers,
    Publish,
    Ready,
    Remember,
    Scores,
    Seek,
    Settings,
    Start,
    Stop,
    StreamClose,
    StreamCredit,
    StreamData,
    StreamOpen,
    Subscribe,
)
from .acquaintances import Acquaintances
from .address import parse_address
from .bans import Bans
from .book import PeerBook
from .connection import Connection
from .dialling import Dialling
from .discovery import Discovery, Surroundings
from .errors import AddressError, PeerError
from .host import Host
from .hosts import Address, address_of, as_reached
from .identify import IDENTIFY, answer_identify, ask_identity
from .identity import key_pair_from, node_id_of_keys, peer_id_of
from .inspecting import Inspecting
from .limits import Gate, GateLimits
from .liveness import PING, answer_pings, watch
from .main_link import MainLink
from .mesh import Mesh
from .muxer import Stream
from .records import seal_record
from .relay import Relay
from .seeking import Seeking, SeekingPorts
from .sources import Hearsay, Source
from .state import states_of
from .stats import Counters
from .upgrade import Upgrader, Upgrades

MESH: Final = MeshParameters()
BOOK_INTERVAL_S: Final = 30.0
BOOK_TICK_S: Final = 1.0

log = structlog.get_logger()


def now_ms() -> int:
    """The process's own clock, which never goes back."""
    return int(trio.current_time() * 1000)


class Node:
    """One for the process, made from `Start`. Its tasks run in `nursery`."""

    def __init__(
        self,
        start: Start,
        inspector: Inspector,
        link: MainLink,
        nursery: trio.Nursery,
        wall_ms: Callable[[], int],
        build_upgrader: Callable[[KeyPair], Upgrades] = Upgrader,
    ) -> None:
        settings = start.settings
        keys = key_pair_from(start.node_seed)
        self.node_id = node_id_of_keys(keys)
        self.stopping = trio.Event()
        self._start = start
        self._settings = settings
        self._public_key = keys.public_key
        self._announce = [parse_address(text) for text in start.announce]
        direct = [_with_node_id(text) for text in start.direct]
        self._pinned = [*(_with_node_id(text) for text in start.bootstrap), *direct]  # dialled for ever
        self._link = link
        self._nursery = nursery
        self._counters = Counters()
        self._wall_ms = wall_ms
        gate = Gate(_gate_limits(settings))
        bans = Bans(gate.is_exempt)
        router = self._router = Router(_router_parameters(settings, direct), secrets.SystemRandom())
        self._host = Host(self.node_id, build_upgrader(keys), gate, bans, self, now_ms, router.score_of)
        book = PeerBook(settings.dial_backoff_min_ms, settings.dial_backoff_max_ms, secrets.SystemRandom())
        hearsay = self._hearsay = Hearsay(self.node_id, book, self._counters.add)
        self._known = Acquaintances(book, bans, router, self._hear_of, self._counters, now_ms, wall_ms)
        self._mesh = Mesh(router, settings, self._counters, link.send, self._known.introductions.introduce, now_ms)
        self._mesh.inspecting = Inspecting(inspector, self._mesh.inspected, wall_ms, router.merit_of)
        self._inspecting = self._mesh.inspecting
        self._topics: frozenset[str] = frozenset()
        self._discovery = Discovery(
            start.discovery,
            Surroundings(
                own=self.node_id,
                network_id=start.network_id,
                target_peers=settings.target_peers,
                connections=self._host.connections,
                listening=lambda: self._host.listening,
                lacking_topics=lambda: sum(len(router.mesh_of(topic)) < MESH.d_low for topic in self._topics),
                hear=hearsay.hear,
                count=self._counters.add,
                now_ms=now_ms,
            ),
        )
        self._dialling = Dialling(
            self.node_id,
            self._host,
            self._known,
            lambda: self._discovery.wanted_peers,
            self._discovery.not_reached,
            self._counters,
            settings.dial_timeout_ms / 1000,
            now_ms,
        )
        self._seeking = Seeking(
            SeekingPorts(
                connections=self._host.connections,
                wanted=lambda: self._discovery.wanted_peers,
                is_barred=lambda node_id: node_id == self.node_id or bans.peers.is_banned(node_id, now_ms()),
                addresses=book.addresses,
                look_up=self._discovery.look_up,
                dial=self._dialling.dial,
                count=self._counters.add,
            )
        )
        self._relay = Relay(
            nursery,
            settings.stream_window_bytes,
            settings.max_streams_per_peer,
            self._host.connections.get,
            link.send,
            self._blame,
            self._counters,
        )

    async def listen(self) -> Ready:
        """Starts everything. Raises AddressError for an address that is malformed or cannot be bound."""
        for address in self._pinned:
            self._known.book.add(address, bootstrap=True)
        handlers = self._host.handlers
        for protocol in PROTOCOL_IDS:
            handlers[protocol] = self._mesh.read
        handlers[PING] = answer_pings
        handlers[IDENTIFY] = self._answer_identify
        handlers.update(self._discovery.handlers())
        for protocol in self._start.stream_protocols:
            handlers[protocol] = self._relay.accept
        listen = [parse_address(text) for text in self._start.listen]
        named = [*listen, *self._pinned]
        self._host.trusted_names.update(address.host for address in named)
        self._host.speaks_websocket = any(address.websocket for address in named)
        await self._host.listen(self._nursery, listen)
        for task in (
            self._inspecting.run,
            self._known.introductions.run,
            self._discovery.run,
            self._dialling.run,
            self._seeking.run,
            self._beat,
            self._report,
            self._show_peers,
            self._keep_book,
        ):
            self._nursery.start_soon(task)
        addresses = [str(address) for address in self._host.listening]
        return Ready(IPC_VERSION, str(peer_id_of(self.node_id)), self.node_id, addresses)

    async def shutdown(self) -> None:
        """Says good-bye to all peers; bounded."""
        self._tell_book()
        await self._host.shutdown()

    # Main

    def take_all(self, messages: Sequence[Down]) -> None:
        """Carries out orders that came together, as `take` does."""
        for is_judge, group in groupby(messages, lambda message: type(message) is Judge):
            if is_judge:
                self._mesh.judge(cast("Iterable[Judge]", group))
            else:
                for message in group:
                    self.take(message)

    def take(self, message: Down) -> None:
        """Carries out one order of main. Raises IpcError for one that has no place here."""
        match message:
            case Publish():
                self._mesh.publish(message)
            case Judge():
                self._mesh.judge((message,))
            case Credit():
                self._mesh.credit(message)
            case StreamOpen():
                self._relay.open(message)
            case StreamData():
                self._relay.data(message)
            case StreamClose():
                self._relay.close(message)
            case StreamCredit():
                self._relay.credit(message)
            case Known() | Allowances():
                self._inspecting.update(message)
            case Subscribe():
                self._topics = frozenset(message.topics)
                self._mesh.handle(Subscribed(self._topics))
            case Scores():
                for node_id, score_milli in message.scores:
                    self._mesh.handle(Scored(node_id, score_milli))
            case Dial():
                self._add_to_book(message.address)
            case Seek():
                self._seeking.seek(message.node_id)
            case Remember():
                self._known.remember(message.entries)
            case Ban():
                self._ban(message)
            case Stop():
                self.stopping.set()
            case Start():
                raise IpcError("a second Start")

    def _add_to_book(self, text: str) -> None:
        try:
            address = _with_node_id(text)
            self._host.trusted_names.add(address.host)
            self._known.book.add(address)
        except AddressError as error:
            log.warning("address not usable", error=str(error))

    def _ban(self, message: Ban) -> None:
        self._known.ban(message.node_id, message.seconds)
        if message.seconds and (connection := self._host.connections.get(message.node_id)) is not None:
            connection.close("banned")

    def _hear_of(self, addresses: Sequence[Address]) -> None:
        self._hearsay.hear(Source.EXCHANGE, addresses)

    # Connections

    def connected(self, connection: Connection) -> list[Callable[[], Awaitable[None]]]:
        """See `Watcher`."""
        log.info("peer connected", peer=connection.node_id.hex(), outbound=connection.outbound)
        self._counters.add("connections_opened", "outbound" if connection.outbound else "inbound")
        self._known.came(connection)
        self._discovery.arrived(connection)
        self._tell_main(connection)
        self._mesh.connected(connection)
        settings = self._settings

        async def watch_it() -> None:
            interval_s, timeout_s = settings.ping_interval_ms / 1000, settings.ping_timeout_ms / 1000
            await watch(connection, interval_s, timeout_s, settings.ping_misses, secrets.token_bytes)

        async def write_gossip() -> None:
            await self._mesh.write(connection)

        async def identify() -> None:
            await self._identify(connection)

        return [write_gossip, watch_it, identify]

    def disconnected(self, connection: Connection) -> None:
        """See `Watcher`."""
        log.info("peer disconnected", peer=connection.node_id.hex(), reason=connection.reason)
        self._counters.add("connections_closed", connection.reason)
        self._discovery.left(connection)
        self._known.went(connection)  # while the router still knows what it did
        self._mesh.disconnected(connection)
        self._link.send(Peer(connection.node_id, self._addresses(connection.node_id), False, connection.reason))

    def offended(self, connection: Connection, what: str) -> None:
        """See `Watcher`."""
        self._counters.add("stream_faults", what)
        self._known.offended(connection)

    def _blame(self, node_id: bytes, what: str) -> None:
        """Main found it on a stream that passed through here."""
        if (connection := self._host.connections.get(node_id)) is not None:
            self.offended(connection, what)

    def refused(self, reason: str) -> None:
        """See `Watcher`."""
        self._counters.add("connections_refused", reason)

    def _tell_main(self, connection: Connection) -> None:
        self._link.send(Peer(connection.node_id, self._addresses(connection.node_id), True))

    def _addresses(self, node_id: bytes) -> list[str]:
        return [str(address) for address in self._known.book.addresses(node_id)]

    async def _identify(self, connection: Connection) -> None:
        try:
            identity = connection.identity = await ask_identity(connection)
        except PeerError as error:
            log.debug("peer not identified", peer=connection.node_id.hex(), error=str(error))
            return
        if connection.is_closing:
            return
        if record := self._known.learn(connection, identity):
            self._mesh.show(connection, record)
        self._discovery.identified(connection)
        self._tell_main(connection)

    async def _answer_identify(self, connection: Connection, protocol: str, stream: Stream) -> None:
        observed = address_of(*connection.remote)
        addresses = self._announce or as_reached(self._host.listening, connection.local[0])
        record = seal_record(self._start.node_seed, self._wall_ms(), addresses)
        protocols = sorted(self._host.handlers)
        await answer_identify(stream, self._public_key, self._start.agent, addresses, protocols, observed, record)

    # Tasks

    async def _beat(self) -> None:
        while True:
            await trio.sleep(self._settings.heartbeat_ms / 1000)
            self._mesh.heartbeat()

    async def _report(self) -> None:
        while True:
            gauges = [
                ("peers", "", len(self._host.connections)),
                ("hearsay_peers", "", len(self._hearsay)),
                *self._discovery.gauges(),
                *self._mesh.gauges(),
            ]
            self._link.send(self._counters.drain(gauges))
            await trio.sleep(self._settings.stats_interval_ms / 1000)

    async def _show_peers(self) -> None:
        while True:
            connections = self._host.connections.values()
            states = states_of(connections, self._router, self._mesh.dialect_of, self._wall_ms() - now_ms())
            self._link.send(Peers(states))
            await trio.sleep(self._settings.peers_interval_ms / 1000)

    async def _keep_book(self) -> None:
        while True:
            with trio.move_on_after(BOOK_INTERVAL_S):
                while not self._known.has_news:  # noqa: ASYNC110  # a look a second also bounds how often it is told
                    await trio.sleep(BOOK_TICK_S)
            self._tell_book()

    def _tell_book(self) -> None:
        self._link.send(self._known.tell(self._host.connections))


def _gate_limits(settings: Settings) -> GateLimits:
    return GateLimits(
        max_peers=settings.max_peers,
        max_per_host=settings.max_connections_per_ip,
        max_per_subnet=settings.max_connections_per_subnet,
        exempt_loopback=settings.exempt_loopback,
    )


def _router_parameters(settings: Settings, direct: Iterable[Address]) -> RouterParameters:
    limits = RouterLimits(
        max_peers=settings.max_peers,
        max_pending_messages=settings.inspect_queue_frames,
        max_pending_bytes=settings.inspect_queue_bytes,
    )
    return RouterParameters(
        mesh=replace(MESH, heartbeat_ms=settings.heartbeat_ms),
        limits=limits,
        direct=frozenset([address.node_id for address in direct if address.node_id is not None]),
    )


def _with_node_id(text: str) -> Address:
    address = parse_address(text)
    if address.node_id is None:
        raise AddressError(f"{text!r} must end in /p2p/ID")
    return address
