"""Who is connected and which sessions outlive their connection. Bounded; the store keeps the messages, never this."""

from collections import OrderedDict
from dataclasses import dataclass

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account

from ...engine.answers import Permission, Principal
from ...remote import is_this_machine, place_of
from .subscriptions import Subscriptions
from .window import InFlight


@dataclass(frozen=True, slots=True)
class Client:
    """Whose session it is. A token that opens less than another one has clients of its own: it neither takes over nor
    resumes what a connection that may read more has set up."""

    account: Account
    permissions: frozenset[Permission]
    topics: frozenset[Topic] | None
    client_id: str


def client_of(principal: Principal, client_id: str) -> Client:
    """The client of a connection."""
    return Client(principal.account, principal.permissions, principal.topics, client_id)


@dataclass(frozen=True, slots=True)
class KeptSession:
    """What a client finds again: its subscriptions, what was on its way to it, and the commit number that it started
    after at the earliest."""

    subscriptions: Subscriptions
    in_flight: InFlight
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
    """How many connections there are, in all and from each place."""

    def __init__(self, total: int, per_host: int, *, exempt_loopback: bool = False) -> None:
        self._total = total
        self._per_host = per_host
        self._exempt_loopback = exempt_loopback
        self._count = 0
        self._by_place: dict[str, int] = {}

    def take(self, host: str) -> bool:
        """False where there is no room; then nothing is to be given back."""
        place = place_of(host)
        held = self._by_place.get(place, 0)
        if self._count >= self._total:
            return False
        if held >= self._per_host and not (self._exempt_loopback and is_this_machine(host)):
            return False
        self._count += 1
        self._by_place[place] = held + 1
        return True

    def give_back(self, host: str) -> None:
        """Once for each `take` that was true."""
        self._count -= 1
        place = place_of(host)
        left = self._by_place[place] - 1
        if left:
            self._by_place[place] = left
        else:
            del self._by_place[place]
