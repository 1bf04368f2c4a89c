"""Who may connect: room for peers, connections per address, bans, which of two connections stays. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .address import is_loopback

CROSSING_MS: Final = 10_000
MAX_BANS: Final = 4_096


class Gate:
    """Every refusal is a word that is also the counter's label; None admits."""

    def __init__(self, max_peers: int, max_per_host: int, exempt_loopback: bool) -> None:
        self._max_peers = max_peers
        self._max_per_host = max_per_host
        self._exempt_loopback = exempt_loopback
        self._by_host: Counter[str] = Counter()
        self._banned_until_ms: dict[bytes, int] = {}

    def enter(self, host: str, outbound: bool) -> str | None:
        """Before the handshake; `leave` follows when the socket is gone, if admitted."""
        # A quarter of the room is kept for peers that this node chooses, so that nobody can surround it.
        room = self._max_peers if outbound else self._max_peers - self._max_peers // 4
        if self._by_host.total() >= room:
            return "too-many-peers"
        exempt = self._exempt_loopback and is_loopback(host)
        if not exempt and self._by_host[host] >= self._max_per_host:
            return "too-many-of-one-host"
        self._by_host[host] += 1
        return None

    def leave(self, host: str) -> None:
        """Once for each admitted `enter`."""
        self._by_host[host] -= 1
        if self._by_host[host] <= 0:
            del self._by_host[host]

    def ban(self, node_id: bytes, until_ms: int) -> None:
        """A time in the past lifts it. When full, the ban that ends first gives way."""
        self._banned_until_ms[node_id] = until_ms
        if len(self._banned_until_ms) > MAX_BANS:
            del self._banned_until_ms[min(self._banned_until_ms, key=self._banned_until_ms.__getitem__)]

    def is_banned(self, node_id: bytes, now_ms: int) -> bool:
        """Forgets bans that ended."""
        until_ms = self._banned_until_ms.get(node_id)
        if until_ms is not None and until_ms <= now_ms:
            del self._banned_until_ms[node_id]
            return False
        return until_ms is not None

    def banned(self, now_ms: int) -> Iterable[bytes]:
        """Node ids that may not be dialled."""
        return [node_id for node_id in list(self._banned_until_ms) if self.is_banned(node_id, now_ms)]


def keeps_old(own: bytes, peer: bytes, old_outbound: bool, new_outbound: bool, old_age_ms: int) -> bool:
    """Of two connections to one peer, whether the older one stays.

    Dials that cross give one connection each way: both ends keep the one that the lower node id dialled. Otherwise the
    peer lost its end of the old one, which may look alive here for a long time, and the new one stays.
    """
    if old_outbound == new_outbound or old_age_ms > CROSSING_MS:
        return False
    return (own if old_outbound else peer) < (peer if old_outbound else own)
