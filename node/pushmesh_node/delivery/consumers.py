"""The open streams of this node's wallets, over any transport: bounded per wallet, all ended when the node stops."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..engine.answers import Denied
from .session import Session


class Consumers:
    """Every transport admits its sessions here; one object for the node."""

    def __init__(self, per_account: int = 64) -> None:
        self._per_account = per_account
        self._accounts: Counter[Account] = Counter()
        self._transports: Counter[str] = Counter()
        self._sessions: set[Session] = set()
        self._watchers: set[Callable[[], None]] = set()
        self._draining = False

    def __len__(self) -> int:
        """Sessions that are open now."""
        return len(self._sessions)

    def by_transport(self) -> dict[str, int]:
        """Sessions that are open now; a transport that ever had one stays, with 0."""
        return dict(self._transports)

    @contextmanager
    def admit(self, session: Session, transport: str = "rest") -> Iterator[Session]:
        """Count a session of a transport while it lasts. Raises Denied `too-many-connections` or `draining`."""
        account = session.principal.account
        if self._draining:
            raise Denied(Reason.DRAINING, "the node stops")
        if self._accounts[account] >= self._per_account:
            raise Denied(Reason.TOO_MANY_CONNECTIONS, f"a wallet may have {self._per_account} streams here")
        self._accounts[account] += 1
        self._transports[transport] += 1
        self._sessions.add(session)
        try:
            yield session
        finally:
            self._sessions.discard(session)
            self._transports[transport] -= 1
            self._accounts[account] -= 1
            if not self._accounts[account]:
                del self._accounts[account]

    @contextmanager
    def watch(self, drained: Callable[[], None]) -> Iterator[None]:
        """For a connection that may have no session: `drained` is called once when the node stops."""
        self._watchers.add(drained)
        try:
            if self._draining:
                drained()
            yield
        finally:
            self._watchers.discard(drained)

    def drain(self) -> None:
        """End all sessions with `draining` and admit no more. Idempotent."""
        if self._draining:
            return
        self._draining = True
        for drained in tuple(self._watchers):
            drained()
        for session in tuple(self._sessions):
            session.end(Reason.DRAINING, "the node stops; go on with your cursor")
