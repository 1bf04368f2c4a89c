"""Hearsay about peers: where it came from, and how much of it each source and each address group may leave in the
peer book. Pure. What this node reached itself is no hearsay any more and counts for nobody."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Final

from ..remote import subnet_of
from .book import PeerBook
from .hosts import Address, is_loopback

PEERS_OF_ONE_SUBNET: Final = 16
"""Of which this node never reached one, whoever told of them. Loopback is exempt."""


class Source(StrEnum):
    """Who told; also the label of the counters."""

    DNS = "dns"
    MDNS = "mdns"
    DHT = "dht"
    EXCHANGE = "exchange"  # peers that pruned this node


QUOTAS: Final = {Source.DNS: 128, Source.MDNS: 64, Source.DHT: 160, Source.EXCHANGE: 96}
"""Peers of one source that this node never reached. Together they are less than the book has room for hearsay, so that
no source ever pushes out what another one told."""


class Hearsay:
    """The one way into the book for what others tell. `count(name, label, n)` takes the counters."""

    def __init__(self, own: bytes, book: PeerBook, count: Callable[[str, str, int], None]) -> None:
        self._own = own
        self._book = book
        self._count = count
        self._told: dict[Source, dict[bytes, str]] = {source: {} for source in Source}  # peer -> subnet
        self._subnets: Counter[str] = Counter()

    def __len__(self) -> int:
        """Peers that count for a source now."""
        self._let_go()
        return sum(len(told) for told in self._told.values())

    def hear(self, source: Source, addresses: Iterable[Address]) -> int:
        """Addresses of any number of peers, each with its node id; how many of the peers are news."""
        by_peer: dict[bytes, list[Address]] = {}
        for address in addresses:
            if address.node_id is not None and address.node_id != self._own:
                by_peer.setdefault(address.node_id, []).append(address)
        news = [node_id for node_id, told in by_peer.items() if self._hear_of(source, node_id, told)]
        return len(news)

    def _hear_of(self, source: Source, node_id: bytes, addresses: list[Address]) -> bool:
        if node_id in self._book:
            if self._book.wants_addresses(node_id):
                self._book.hear(addresses)  # they come last there, and push out none
            return False
        subnet = "" if is_loopback(addresses[0].host) else subnet_of(addresses[0].host)
        if not self._has_room(source, subnet) or not self._book.hear(addresses):
            self._count("peers_unheard", source, 1)
            return False
        self._told[source][node_id] = subnet
        self._subnets[subnet] += bool(subnet)
        self._count("peers_heard", source, 1)
        return True

    def _has_room(self, source: Source, subnet: str) -> bool:
        """After a look at what the others hold; one that could not be reached gives way, and nobody else does."""
        if len(self._told[source]) >= QUOTAS[source] or self._subnets[subnet] >= PEERS_OF_ONE_SUBNET:
            self._let_go()
        told = self._told[source]
        if len(told) >= QUOTAS[source] and not self._drop_failed(told):
            return False
        if subnet and self._subnets[subnet] >= PEERS_OF_ONE_SUBNET:
            return self._drop_failed([peer for told in self._told.values() for peer in told if told[peer] == subnet])
        return True

    def _let_go(self) -> None:
        """Forget who was reached meanwhile, or left the book."""
        for told in self._told.values():
            for node_id in [each for each in told if not self._book.is_unproven(each)]:
                self._forget(told, node_id)

    def _drop_failed(self, among: Collection[bytes]) -> bool:
        dropped = self._book.drop_failed(among)
        for told in self._told.values():
            if dropped in told:
                self._forget(told, dropped)
        return dropped is not None

    def _forget(self, told: dict[bytes, str], node_id: bytes) -> None:
        subnet = told.pop(node_id)
        if subnet:
            self._subnets[subnet] -= 1
