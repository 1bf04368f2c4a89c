"""The connections of this node's wallets, over any transport: streams bounded per wallet, and each connection ended
when what it rests on ends, or the node stops."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..engine.answers import Denied, Principal
from .session import Session

End = Callable[[str, str], None]
"""`end(reason, detail)`: the node ends the connection."""

MOST_CUTS = 4_096
"""Wallets of which it is remembered that a stream was cut; the oldest is forgotten."""

DRAINING = "the node stops; go on with your cursor"


class Connection(Protocol):
    """One connection of a wallet, with or without a session."""

    def who(self) -> Principal | None:
        """None before the log-in."""

    def end(self, reason: str, detail: str) -> None:
        """The node ends the connection."""


@dataclass(frozen=True, slots=True, eq=False)
class _Attendance:
    """A connection made of two functions."""

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
        self._connections: set[Connection] = set()
        self._cuts: dict[Account, Reason] = {}
        self._draining = False

    def __len__(self) -> int:
        """Sessions that are open now."""
        return self._transports.total()

    def by_transport(self) -> dict[str, int]:
        """Sessions that are open now; a transport that ever had one stays, with 0."""
        return dict(self._transports)

    @contextmanager
    def admit(self, session: Session, transport: str = "rest") -> Iterator[Session]:
        """Count a session of a transport while it lasts, and end it with its log-in or the node.

        Raises Denied `too-many-connections`, `draining`, or why its log-in has ended."""
        self.come(session, transport)
        try:
            with self.attend(lambda: session.principal, session.end):
                yield session
        finally:
            self.go(session)

    def come(self, session: Session, transport: str) -> None:
        """Count a session of a transport, until `go`. Its connection has joined already, or joins now. Raises Denied as
        `admit` does."""
        account = session.principal.account
        if self._draining:
            raise Denied(Reason.DRAINING, "the node stops")
        if self._accounts[account] >= self._per_account:
            raise Denied(Reason.TOO_MANY_CONNECTIONS, f"a wallet may have {self._per_account} streams here")
        self._check(session.principal)
        session.transport = transport
        self._accounts[account] += 1
        self._transports[transport] += 1

    def go(self, session: Session) -> None:
        """A session that came is over."""
        account = session.principal.account
        self._transports[session.transport] -= 1
        self._accounts[account] -= 1
        if not self._accounts[account]:
            del self._accounts[account]

    @contextmanager
    def attend(self, who: Callable[[], Principal | None], end: End) -> Iterator[None]:
        """For a connection, with or without a session: `end` is called when its log-in or the node ends.

        `who` gives None before the log-in. Raises Denied where the log-in has ended already."""
        connection = _Attendance(who, end)
        self.join(connection)
        try:
            yield
        finally:
            self.leave(connection)

    def note_cut(self, account: Account, reason: Reason) -> None:
        """A stream of the wallet was cut and may not have heard why."""
        self._cuts.pop(account, None)
        self._cuts[account] = reason
        if len(self._cuts) > MOST_CUTS:
            del self._cuts[next(iter(self._cuts))]

    def last_cut(self, account: Account) -> Reason | None:
        """Why a stream of the wallet was cut since this was asked last."""
        return self._cuts.pop(account, None)

    def join(self, connection: Connection) -> None:
        """The connection is ended with its log-in or the node, until it leaves. Raises Denied where the log-in has
        ended already."""
        principal = connection.who()
        if principal is not None:
            self._check(principal)
        self._connections.add(connection)
        if self._draining:
            connection.end(Reason.DRAINING, DRAINING)

    def leave(self, connection: Connection) -> None:
        """Idempotent."""
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
