"""The hardened host: listens, dials, admits, and keeps at most one connection to each peer.

It knows peers and protocols' names, not what is said on a stream.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import structlog
import trio
from libp2p.peer.id import ID

from ..remote import place_of, subnet_of
from .bans import Bans
from .connection import Connection, Handler
from .errors import AddressError, PeerError, UpgradeError
from .hosts import Address, address_of, is_public
from .identity import peer_id_of
from .limits import Gate, keeps_old
from .seats import Seat, yields
from .tcp import ByteStream, TcpConnection
from .upgrade import Upgrades
from .websocket import WebSocketStream

HANDSHAKE_TIMEOUT_S: Final = 10.0
SHUTDOWN_TIMEOUT_S: Final = 2.0
_FAMILIES: Final = {"dns4": trio.socket.AF_INET, "dns6": trio.socket.AF_INET6}

log = structlog.get_logger()


class Watcher(Protocol):
    """Who is told of connections, in order, and gives each its tasks."""

    def connected(self, connection: Connection) -> list[Callable[[], Awaitable[None]]]:
        """The tasks that run as long as the connection; the first that raises PeerError ends it."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """Once for each `connected`; `connection.reason` says why."""
        ...

    def offended(self, connection: Connection, what: str) -> None:
        """The peer did on one of its streams what no honest peer does."""
        ...

    def refused(self, reason: str) -> None:
        """A connection was not admitted."""
        ...


class Host:
    """Runs inside `serve`'s nursery. `handlers` is complete before `serve` starts."""

    def __init__(
        self,
        node_id: bytes,
        upgrader: Upgrades,
        gate: Gate,
        bans: Bans,
        watcher: Watcher,
        now_ms: Callable[[], int],
        score_of: Callable[[bytes], float] = lambda node_id: 0.0,
    ) -> None:
        self.handlers: dict[str, Handler] = {}
        self.connections: dict[bytes, Connection] = {}
        self.listening: list[Address] = []
        self.trusted_names: set[str] = set()  # of the operator
        self.speaks_websocket = False
        """Whether addresses with it are dialled."""

        self._node_id = node_id
        self._upgrader = upgrader
        self._gate = gate
        self._bans = bans
        self._watcher = watcher
        self._now_ms = now_ms
        self._score_of = score_of
        self._nursery: trio.Nursery | None = None
        self._one_less = trio.Event()

    async def listen(self, nursery: trio.Nursery, addresses: Iterable[Address]) -> None:
        """Raises AddressError in a sentence if one cannot be bound. Connections run in `nursery`."""
        self._nursery = nursery
        opened: dict[bool, list[trio.SocketListener]] = {False: [], True: []}  # by whether they speak WebSocket
        for address in addresses:
            if address.is_name:
                raise AddressError(f"{address} is no IP address to listen on")
            try:
                listeners = await trio.open_tcp_listeners(address.port, host=address.host)
            except OSError as error:
                raise AddressError(f"cannot listen on {address}: {error.strerror or error}") from error
            for listener in listeners:
                name = listener.socket.getsockname()
                self.listening.append(address_of(str(name[0]), int(name[1]), self._node_id, address.websocket))
            opened[address.websocket] += listeners
        # Only now, so that nobody connects before this returns.
        if opened[False]:
            nursery.start_soon(trio.serve_listeners, self._accept, opened[False])
        if opened[True]:
            nursery.start_soon(trio.serve_listeners, self._accept_websocket, opened[True])

    async def dial(self, address: Address, timeout_s: float) -> Connection:
        """A running connection to the peer that `address` names. Raises PeerError."""
        assert address.node_id is not None
        if address.node_id == self._node_id:
            raise AddressError("the address is this node's own")
        if address.websocket and not self.speaks_websocket:
            raise AddressError(f"{address} speaks WebSocket, which is not switched on here")
        with trio.move_on_after(timeout_s):
            return await self._dial(address, await self._literal(address), peer_id_of(address.node_id))
        raise PeerError("the peer did not answer in time")

    async def _dial(self, address: Address, host: str, peer_id: ID) -> Connection:
        """`host` counts, not the name that led there: of names anybody has as many as he likes."""
        assert self._nursery is not None
        if (refusal := self._gate.enter(host, outbound=True, now_ms=self._now_ms())) is not None:
            raise PeerError(refusal)
        started = False
        try:
            raw = await self._connect(address, host)
            connection = await self._upgrade(raw, peer_id)
            connection.dialled = address
            started = True
            self._nursery.start_soon(self._hold, connection, host)
            return connection
        finally:
            if not started:
                self._gate.leave(host, outbound=True)

    async def _connect(self, address: Address, host: str) -> TcpConnection:
        try:
            stream = await trio.open_tcp_stream(host, address.port)
            where = f"[{address.host}]" if ":" in address.host else address.host
            dialled = WebSocketStream(stream, f"{where}:{address.port}") if address.websocket else stream
            return TcpConnection(dialled, outbound=True)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that is no host name
            raise PeerError(f"cannot connect: {error}") from error

    async def _literal(self, address: Address) -> str:
        """What to connect to. A name that a peer told leads to public addresses only: names can say anything."""
        if not address.is_name or address.host in self.trusted_names:
            return address.host
        family = _FAMILIES.get(address.kind, trio.socket.AF_UNSPEC)
        try:
            found = await trio.socket.getaddrinfo(address.host, address.port, family, trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # as above
            raise PeerError(f"cannot find {address.host}: {error}") from error
        public = [host for *_, (host, *_) in found if isinstance(host, str) and is_public(host)]
        if not public:
            raise AddressError(f"{address} leads to no public address")
        return public[0]

    async def _accept_websocket(self, stream: trio.SocketStream) -> None:
        await self._accept(WebSocketStream(stream))

    async def _accept(self, stream: ByteStream) -> None:
        try:
            raw = TcpConnection(stream, outbound=False)
        except OSError:
            await stream.aclose()  # gone before it was looked at
            return
        host = raw.remote[0]
        if (refusal := self._refusal(host)) is not None:
            self._watcher.refused(refusal)
            raw.abort()
            return
        try:
            if (connection := await self._shake(raw, host)) is not None:
                await self._run(connection)
        finally:
            raw.abort()
            self._gate.leave(host, outbound=False)

    def _refusal(self, host: str) -> str | None:
        now_ms = self._now_ms()
        return "banned-host" if self._bans.refuses(host, now_ms) else self._gate.enter(host, False, now_ms)

    async def _shake(self, raw: TcpConnection, host: str) -> Connection | None:
        """The inbound handshake. Who sends bytes that are none, or nothing for its whole time, is at fault; who only
        looks whether somebody listens is not."""
        try:
            with trio.move_on_after(HANDSHAKE_TIMEOUT_S):
                return await self._upgrade(raw, None)
            error = UpgradeError("no handshake in time")
        except PeerError as raised:
            error = raised
            if not raw.heard_something:
                self._watcher.refused("probe")
                return None
        finally:
            self._gate.shaken(host)
        log.info("inbound connection refused", host=host, error=str(error))
        self._watcher.refused("handshake")
        self._bans.fault(host, None, self._now_ms())
        return None

    async def _upgrade(self, raw: TcpConnection, expected: ID | None) -> Connection:
        try:
            muxer = await self._upgrader.upgrade(raw, expected)
            host = raw.remote[0]
            place = "" if self._gate.is_exempt(host) else place_of(host)
            return Connection(raw, muxer, expected is not None, self._now_ms(), place)
        except BaseException:  # cancelled by the deadline too: the socket must not outlive this call
            raw.abort()
            raise

    async def _hold(self, connection: Connection, host: str) -> None:
        try:
            await self._run(connection)
        finally:
            self._gate.leave(host, outbound=True)

    async def _run(self, connection: Connection) -> None:
        """Admits the connection and runs it to its end; whatever a peer makes happen ends here."""
        if (refusal := self._admit(connection)) is not None:
            self._watcher.refused(refusal)
            connection.abort(refusal)
            return
        try:
            connection.offended = lambda what: self._watcher.offended(connection, what)
            await connection.run(self.handlers, self._watcher.connected(connection))
        except Exception as error:  # our own fault in a task of this connection; the other peers must not pay for it
            log.error("connection failed", peer=connection.node_id.hex(), error=repr(error), exc_info=True)
            connection.abort("failed")
        finally:
            self._forget(connection)

    def _admit(self, connection: Connection) -> str | None:
        node_id, now_ms = connection.node_id, self._now_ms()
        if node_id == self._node_id:
            return "self"
        if self._bans.peers.is_banned(node_id, now_ms):
            return "banned"
        old = self.connections.get(node_id)
        if old is not None:
            age_ms = now_ms - old.opened_ms
            if not old.is_closing and keeps_old(self._node_id, node_id, old.outbound, connection.outbound, age_ms):
                return "duplicate"
            old.close("replaced")
            self._forget(old)
        elif not connection.outbound and self._gate.is_overfull() and not self._free_a_seat(connection):
            return "too-many-peers"
        self.connections[node_id] = connection
        return None

    def _free_a_seat(self, newcomer: Connection) -> bool:
        """Whether somebody of a more crowded subnet gives way."""
        inbound = [each for each in self.connections.values() if not each.outbound and not each.is_closing]
        seats = [
            Seat(each.node_id, subnet_of(each.remote[0]), self._score_of(each.node_id), each.opened_ms)
            for each in inbound
        ]
        seat = yields(subnet_of(newcomer.remote[0]), seats)
        if seat is None:
            return False
        self.connections[seat.node_id].close("crowded-out")
        return True

    def _forget(self, connection: Connection) -> None:
        if self.connections.get(connection.node_id) is connection:
            del self.connections[connection.node_id]
            self._one_less.set()
            self._watcher.disconnected(connection)

    async def shutdown(self) -> None:
        """Says good-bye to every peer; at most two seconds."""
        for connection in list(self.connections.values()):
            connection.close("shutdown")
        with trio.move_on_after(SHUTDOWN_TIMEOUT_S):
            while self.connections:
                self._one_less = trio.Event()
                await self._one_less.wait()
