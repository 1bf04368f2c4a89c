"""Whom a simulated node knows, dials, lets in and refuses: the peer room's own book, gate and bans, driven by the
virtual clock."""

from collections.abc import Callable, Iterable
from random import Random

from ...ipc import Settings
from ...peer.bans import Bans
from ...peer.book import PeerBook
from ...peer.hosts import Address, may_name
from ...peer.limits import Gate, GateLimits, keeps_old
from ...peer.seats import Seat, yields
from ...peer.sources import Hearsay, Source
from ...remote import subnet_of
from .clock import Clock
from .records import address_of
from .wire import Endpoint, Link

LASTED_MS = 30_000
"""A connection this old was a good one. This and the next two as `peer.acquaintances` has them."""

FAULTS = frozenset({"malformed-rpc", "too-many-streams", "violation"})
GRAYLISTED = "graylisted"


class Peering:
    """`dial(address)` is ordered for each that is due; `dialled` answers it."""

    def __init__(
        self,
        node_id: bytes,
        settings: Settings,
        clock: Clock,
        random: Random,
        dial: Callable[[Address], None],
    ) -> None:
        self.links: dict[bytes, Link] = {}
        self.book = PeerBook(settings.dial_backoff_min_ms, settings.dial_backoff_max_ms, Random(b"book" + node_id))
        self.gate = Gate(
            GateLimits(
                max_peers=settings.max_peers,
                max_per_host=settings.max_connections_per_ip,
                max_per_subnet=settings.max_connections_per_subnet,
            )
        )
        self.bans = Bans(self.gate.is_exempt)
        self._hearsay = Hearsay(node_id, self.book, lambda name, label, n: None)
        self._node_id = node_id
        self._settings = settings
        self._clock = clock
        self._random = random
        self._dial = dial

    def know(self, addresses: Iterable[Address], *, bootstrap: bool = False) -> None:
        """Addresses of the operator."""
        for address in addresses:
            self.book.add(address, bootstrap=bootstrap)

    def recommended(self, speaker: str, address: Address) -> None:
        """A peer at `speaker` recommends another, whose signed record held."""
        if may_name(speaker, address.host):
            self._hearsay.hear(Source.EXCHANGE, [address])

    def tick(self) -> None:
        """Dial whom the book holds due."""
        now_ms = self._clock.now_ms
        barred = {self._node_id, *self.bans.peers.banned(now_ms)}
        outbound = sum([link.dialler.node_id == self._node_id for link in self.links.values()])
        for address in self.book.due(now_ms, self.links, barred, self._settings.target_peers, outbound):
            self._dial(address)

    def failed(self, address: Address) -> None:
        """A dial gave no connection."""
        assert address.node_id is not None
        self.book.failed(address.node_id, self._clock.now_ms, self._random.random())

    def enter(self, host: str, *, outbound: bool) -> str | None:
        """A connection before its handshake: why not, or None."""
        now_ms = self._clock.now_ms
        if not outbound and self.bans.refuses(host, now_ms):
            return "banned-host"
        return self.gate.enter(host, outbound, now_ms)

    def accepts(self, own: Endpoint, link: Link, score_of: Callable[[bytes], float]) -> str | None:
        """After the handshake, as `Host` admits: why not, or None; a connection that it replaces is closed."""
        peer, now_ms = link.other(own), self._clock.now_ms
        if self.bans.peers.is_banned(peer.node_id, now_ms):
            return "banned"
        old = self.links.get(peer.node_id)
        if old is None:
            return None if link.dialler is own else self._seat(own, peer.host, score_of)
        age_ms = now_ms - old.opened_ms
        if keeps_old(self._node_id, peer.node_id, old.dialler is own, link.dialler is own, age_ms):
            return "duplicate"
        old.close(own, "replaced")
        return None

    def _seat(self, own: Endpoint, host: str, score_of: Callable[[bytes], float]) -> str | None:
        if not self.gate.is_overfull():
            return None
        inbound = [(link.other(own), link) for link in self.links.values() if link.acceptor is own]
        seat = yields(
            subnet_of(host),
            [
                Seat(peer.node_id, subnet_of(peer.host), score_of(peer.node_id), link.opened_ms)
                for peer, link in inbound
            ],
        )
        if seat is None:
            return "too-many-peers"
        self.links[seat.node_id].close(own, "crowded-out")
        return None

    def opened(self, own: Endpoint, link: Link) -> None:
        """Identify tells where the peer can be dialled: at the host that it spoke from."""
        peer = link.other(own)
        self.links[peer.node_id] = link
        address = address_of(peer)
        self.book.add(address)
        if link.dialler is own:
            self.book.succeeded(address)
        self.book.seen(peer.node_id, self._clock.unix_ms)

    def closed(self, own: Endpoint, link: Link, reason: str, score: float) -> None:
        """What a connection's end leaves behind; `score` is the router's last word on the peer."""
        peer, now_ms = link.other(own), self._clock.now_ms
        self.links.pop(peer.node_id, None)
        self.book.seen(peer.node_id, self._clock.unix_ms, int(score * 1_000))
        if reason == GRAYLISTED:
            self.bans.graylist(peer.host, peer.node_id, now_ms)
        elif reason in FAULTS:
            self.bans.fault(peer.host, peer.node_id, now_ms)
        if now_ms - link.opened_ms >= LASTED_MS:
            self.book.lasted(peer.node_id)
        self.book.failed(peer.node_id, now_ms, self._random.random())
