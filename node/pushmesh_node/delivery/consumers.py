"""The connections of this node's wallets, over any transport: streams bounded per wallet, and each connection ended
when what it rests on ends, or the node stops."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..engine.answers import Denied, Principal
from .session import Session

End = Callable[[str, str], None]
"""`end(reason, detail)`: the node ends the connection."""

DRAINING = "the node stops; go on with your cursor"


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    who: Callable[[], Principal | None]
    end: End


def _unchecked(_principal: Principal) -> None:
    """For a node whose log-ins last for ever."""


class Consumers:
    """Every transport admits its sessions here; one object for the node. `check` raises Denied for a principal whose
    log-in ended between the door and here."""

    def __init__(self, per_account: int = 64, check: Callable[[Principal], None] = _unchecked) -> None:
        self._per_account = per_account
        self._check = check
        self._accounts: Counter[Account] = Counter()
        self._transports: Counter[str] = Counter()
        self._connections: set[_Connection] = set()
        self._draining = False

    def __len__(self) -> int:
        """Sessions that are open now."""
        return self._transports.total()

    def by_transport(self) -> dict[str, int]:
        """Sessions that are open now; a transport that ever had one stays, with 0."""
        return dict(self._transports)

    @contextmanager
    def admit(self, session: Session, transport: str = "rest") -> Iterator[Session]:
        """Count a session of a transport while it lasts.

        Raises Denied `too-many-connections`, `draining`, or why its log-in has ended."""
        account = session.principal.account
        if self._draining:
            raise Denied(Reason.DRAINING, "the node stops")
        if self._accounts[account] >= self._per_account:
            raise Denied(Reason.TOO_MANY_CONNECTIONS, f"a wallet may have {self._per_account} streams here")
        session.transport = transport
        with self.attend(lambda: session.principal, session.end):
            self._accounts[account] += 1
            self._transports[transport] += 1
            try:
                yield session
            finally:
                self._transports[transport] -= 1
                self._accounts[account] -= 1
                if not self._accounts[account]:
                    del self._accounts[account]

    @contextmanager
    def attend(self, who: Callable[[], Principal | None], end: End) -> Iterator[None]:
        """For a connection, with or without a session: `end` is called when its log-in or the node ends.

        `who` gives None before the log-in. Raises Denied where the log-in has ended already."""
        principal = who()
        if principal is not None:
            self._check(principal)
        connection = _Connection(who, end)
        self._connections.add(connection)
        try:
            if self._draining:
                end(Reason.DRAINING, DRAINING)
            yield
        finally:
            self._connections.discard(connection)

    def end(self, concerned: Callable[[Principal], bool], reason: Reason, detail: str) -> None:
        """End every connection of a principal that is concerned."""
        for connection in tuple(self._connections):
            principal = connection.who()
            if principal is not None and concerned(principal):
                connection.end(reason, detail)

    def drain(self) -> None:
        """End all connections with `draining` and admit no more sessions. Idempotent."""
        if self._draining:
            return
        self._draining = True
        for connection in tuple(self._connections):
            connection.end(Reason.DRAINING, DRAINING)
