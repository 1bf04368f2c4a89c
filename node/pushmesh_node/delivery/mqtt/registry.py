"""Who is connected and which sessions outlive their connection. Bounded; the store keeps the messages, never this."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address

from pushmesh_protocol.types import Account

from .subscriptions import Subscriptions

Client = tuple[Account, str]
"""An account and a client id."""


@dataclass(frozen=True, slots=True)
class KeptSession:
    """What a client finds again: its subscriptions, and the commit number that it started after at the earliest."""

    subscriptions: Subscriptions
    floor: int
    expires_ms: int


class KeptSessions:
    """At most `limit`; past it the one that was left longest ago is forgotten, which costs its client a SUBSCRIBE."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: OrderedDict[Client, KeptSession] = OrderedDict()

    def keep(self, client: Client, session: KeptSession) -> None:
        """Remember a session whose connection has gone."""
        self._sessions[client] = session
        self._sessions.move_to_end(client)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)

    def take(self, client: Client, now_ms: int) -> KeptSession | None:
        """The client's session, which is then its connection's; None where there is none or its time is over."""
        session = self._sessions.pop(client, None)
        return session if session is not None and now_ms < session.expires_ms else None


class Places:
    """How many connections there are, in all and per remote host."""

    def __init__(self, total: int, per_host: int, *, exempt_loopback: bool = False) -> None:
        self._total = total
        self._per_host = per_host
        self._exempt_loopback = exempt_loopback
        self._count = 0
        self._by_host: dict[str, int] = {}

    def take(self, host: str) -> bool:
        """False where there is no room; then nothing is to be given back."""
        held = self._by_host.get(host, 0)
        if self._count >= self._total:
            return False
        if held >= self._per_host and not (self._exempt_loopback and _is_loopback(host)):
            return False
        self._count += 1
        self._by_host[host] = held + 1
        return True

    def give_back(self, host: str) -> None:
        """Once for each `take` that was true."""
        self._count -= 1
        left = self._by_host[host] - 1
        if left:
            self._by_host[host] = left
        else:
            del self._by_host[host]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
