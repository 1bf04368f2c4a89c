"""Hosts of the peer room on loopback inside one trio program: real sockets, real handshakes, no process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.bans import Bans
from pushmesh_node.peer.connection import Connection, Handler
from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.host import Host
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys, peer_id_of
from pushmesh_node.peer.limits import Gate, GateLimits
from pushmesh_node.peer.muxer import BoundedYamux, Muxer, Stream
from pushmesh_node.peer.negotiate import answer
from pushmesh_node.peer.tcp import TcpConnection
from pushmesh_node.peer.upgrade import Upgrader

WAIT_S = 20.0


def now_ms() -> int:
    return int(trio.current_time() * 1000)


@dataclass
class Watching:
    """Keeps what the host tells; `tasks` are run beside every connection."""

    tasks: list[Callable[[Connection], Awaitable[None]]] = field(default_factory=list)
    came: list[Connection] = field(default_factory=list)
    went: list[Connection] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    offences: list[str] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)
    on_connected: Callable[[Connection], None] = lambda connection: None
    on_disconnected: Callable[[Connection], None] = lambda connection: None

    def connected(self, connection: Connection) -> list[Callable[[], Awaitable[None]]]:
        self.came.append(connection)
        self.on_connected(connection)
        self._stir()
        return [lambda task=task: task(connection) for task in self.tasks]  # type: ignore[misc]  # binds the variable

    def disconnected(self, connection: Connection) -> None:
        self.went.append(connection)
        self.on_disconnected(connection)
        self._stir()

    def offended(self, connection: Connection, what: str) -> None:
        self.offences.append(what)
        self._stir()

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)
        self._stir()

    def _stir(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(WAIT_S):
            while not condition():
                await self.changed.wait()


@dataclass
class Running:
    """A listening host."""

    host: Host
    watching: Watching
    node_id: bytes
    bans: Bans

    @property
    def address(self) -> Address:
        return self.host.listening[0]


def keys_of(seed: int) -> bytes:
    return seed.to_bytes(32, "big")


async def run_host(
    nursery: trio.Nursery,
    seed: int,
    handlers: dict[str, Handler] | None = None,
    limits: GateLimits | None = None,
    listen: str = "/ip4/127.0.0.1/tcp/0",
) -> Running:
    """Listens on a free port; it runs in `nursery`."""
    keys = key_pair_from(keys_of(seed))
    watching = Watching()
    node_id = node_id_of_keys(keys)
    gate = Gate(limits or GateLimits())
    bans = Bans(gate.is_exempt)
    host = Host(node_id, Upgrader(keys), gate, bans, watching, now_ms)
    host.handlers.update(handlers or {})
    await host.listen(nursery, [parse_address(listen)])
    return Running(host, watching, node_id, bans)


@asynccontextmanager
async def hosts(*handlers: dict[str, Handler]) -> AsyncIterator[list[Running]]:
    """One host for each set of handlers; all are gone at the end."""
    async with trio.open_nursery() as nursery:
        yield [await run_host(nursery, seed, each) for seed, each in enumerate(handlers, 1)]
        nursery.cancel_scope.cancel()


async def connect(near: Running, far: Running) -> Connection:
    """From `near`; both know it when this returns."""
    known = len(far.watching.came)
    connection = await near.host.dial(far.address, WAIT_S)
    await near.watching.until(lambda: connection in near.watching.came)
    await far.watching.until(lambda: len(far.watching.came) > known)
    return connection


async def open_raw(address: Address) -> TcpConnection:
    """A socket to a host, before any handshake."""
    return TcpConnection(await trio.open_tcp_stream(address.host, address.port), outbound=True)


@asynccontextmanager
async def attacker(address: Address, seed: int = 99, source: str = "127.0.0.1") -> AsyncIterator[BoundedYamux]:
    """A peer that did the handshake and then says what it likes. `source` is an address of loopback."""
    assert address.node_id is not None
    raw = TcpConnection(await trio.open_tcp_stream(address.host, address.port, local_address=source), outbound=True)
    try:
        muxer = await Upgrader(key_pair_from(keys_of(seed))).upgrade(raw, peer_id_of(address.node_id))
        assert isinstance(muxer, BoundedYamux)  # what it sends below its streams is up to a test
        async with trio.open_nursery() as nursery:
            nursery.start_soon(muxer.start)
            yield muxer
            raw.abort()
            nursery.cancel_scope.cancel()
    finally:
        raw.abort()


async def open_stream(muxer: Muxer) -> Stream:
    """Before any negotiation."""
    return await muxer.open()


async def take_gossip(muxer: Muxer) -> None:
    """Of the streams that come to an attacker (gossip, identify), the one that makes it a peer of the mesh."""
    while True:
        stream = await muxer.accept()
        try:
            await answer(stream, PROTOCOL_IDS)
            return
        except PeerError:
            continue


async def echo(connection: Connection, protocol: str, stream: Stream) -> None:
    """A handler that gives back what it gets."""
    while data := await stream.read():
        await stream.write(data)
    await stream.close_write()
