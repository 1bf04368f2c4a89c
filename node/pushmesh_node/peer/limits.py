"""Who may connect: room for peers, for hosts and for whole networks, and which of two connections stays. Pure: the time
is an argument. The simulator runs it too."""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final

from ..remote import place_of, subnet_of
from .hosts import is_loopback

CROSSING_MS: Final = 10_000
MAX_RATED_HOSTS: Final = 4_096
FOYER: Final = 16
"""Inbound handshakes that may be under way beyond the room, of whoever may get a seat that another must yield."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """A host is an IPv4 address or the /64 of an IPv6 one, a subnet its /24 or /48."""

    max_peers: int = 256
    max_per_host: int = 8
    max_per_subnet: int = 16
    exempt_loopback: bool = True
    handshakes_per_host: int = 4
    arrivals_per_minute: int = 60  # of one host
    arrivals_at_once: int = 20
    kept_outbound: int = 16  # seats that nobody can take by connecting first; a quarter of them where those are fewer


class Gate:
    """Every refusal is a word that is also the counter's label; None admits.

    Where no inbound seat is free, whoever comes from a subnet with fewer seats than another's is let in still, and a
    seat of the most crowded subnet must be freed for it (`seats.yields`): who holds many addresses of few networks
    cannot keep everybody else out by being first."""

    def __init__(self, limits: GateLimits) -> None:
        self._limits = limits
        self._by_host: Counter[str] = Counter()
        self._by_subnet: Counter[str] = Counter()
        self._inbound: Counter[str] = Counter()  # by subnet
        self._shaking: Counter[str] = Counter()  # inbound handshakes under way
        self._arrivals: OrderedDict[str, tuple[float, int]] = OrderedDict()  # what is left, and when that was so

    def is_exempt(self, host: str) -> bool:
        """Whether limits and faults of hosts do not count there."""
        return self._limits.exempt_loopback and is_loopback(host)

    def enter(self, host: str, outbound: bool, now_ms: int) -> str | None:
        """Before the handshake. If admitted, `shaken` follows when an inbound handshake is over, however it went, and
        `leave` when the socket is gone."""
        place, subnet, exempt = place_of(host), subnet_of(host), self.is_exempt(host)
        if refusal := self._refusal(place, subnet, outbound, exempt):
            return refusal
        if not outbound and not exempt:
            if self._shaking[place] >= self._limits.handshakes_per_host:
                return "too-many-handshakes"
            if not self._takes_arrival(place, now_ms):
                return "too-many-arrivals"
        self._by_host[place] += 1
        self._by_subnet[subnet] += 1
        if not outbound:
            self._inbound[subnet] += 1
            self._shaking[place] += 1
        return None

    def is_overfull(self) -> bool:
        """Whether more came in than there are seats: whoever is past its handshake last needs one that is freed."""
        return self._inbound.total() > self._inbound_room()

    def _refusal(self, place: str, subnet: str, outbound: bool, exempt: bool) -> str | None:
        limits = self._limits
        if not exempt and self._by_host[place] >= limits.max_per_host:
            return "too-many-of-one-host"
        if not exempt and self._by_subnet[subnet] >= limits.max_per_subnet:
            return "too-many-of-one-subnet"
        if self._has_room(outbound) or (not outbound and self._is_underdog(subnet)):
            return None
        return "too-many-peers"

    def _has_room(self, outbound: bool) -> bool:
        inbound = self._inbound.total()
        if outbound:
            # Whoever waits in the foyer takes no seat from those that this node chooses.
            return self._by_host.total() - inbound < self._limits.max_peers - min(inbound, self._inbound_room())
        return inbound < self._inbound_room()

    def _inbound_room(self) -> int:
        limits = self._limits
        kept = min(limits.kept_outbound, limits.max_peers // 4)
        return limits.max_peers - max(kept, self._by_host.total() - self._inbound.total())

    def _is_underdog(self, subnet: str) -> bool:
        if self._inbound.total() >= self._inbound_room() + FOYER:
            return False
        return self._inbound[subnet] + 2 <= max(self._inbound.values(), default=0)

    def _takes_arrival(self, place: str, now_ms: int) -> bool:
        most = float(self._limits.arrivals_at_once)
        left, since_ms = self._arrivals.pop(place, (most, now_ms))
        left = min(most, left + (now_ms - since_ms) * self._limits.arrivals_per_minute / 60_000)
        taken = left >= 1
        self._arrivals[place] = (left - taken, now_ms)
        if len(self._arrivals) > MAX_RATED_HOSTS:
            self._arrivals.popitem(last=False)
        return taken

    def shaken(self, host: str) -> None:
        """Once for each admitted inbound `enter`: its handshake is over."""
        _take_one(self._shaking, place_of(host))

    def leave(self, host: str, outbound: bool) -> None:
        """Once for each admitted `enter`."""
        _take_one(self._by_host, place_of(host))
        _take_one(self._by_subnet, subnet_of(host))
        if not outbound:
            _take_one(self._inbound, subnet_of(host))


def _take_one(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def keeps_old(own: bytes, peer: bytes, old_outbound: bool, new_outbound: bool, old_age_ms: int) -> bool:
    """Of two connections to one peer, whether the older one stays.

    Dials that cross give one connection each way: both ends keep the one that the lower node id dialled. Otherwise the
    peer lost its end of the old one, which may look alive here for a long time, and the new one stays.
    """
    if old_outbound == new_outbound or old_age_ms > CROSSING_MS:
        return False
    return (own if old_outbound else peer) < (peer if old_outbound else own)
