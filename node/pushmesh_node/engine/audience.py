"""Which connected wallets a message concerns, and which topic or list says so."""

from collections import Counter
from collections.abc import Iterable

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.types import Account

from .subscriptions import Subscriptions


class Listeners:
    """Wallets with at least one live connection."""

    def __init__(self) -> None:
        self._connections: Counter[Account] = Counter()

    def __contains__(self, account: Account) -> bool:
        return account in self._connections

    def __len__(self) -> int:
        return len(self._connections)

    def come(self, account: Account) -> None:
        """One more connection."""
        self._connections[account] += 1

    def leave(self, account: Account) -> None:
        """One connection less."""
        self._connections[account] -= 1
        if self._connections[account] <= 0:
            del self._connections[account]

    def concerned(self, envelope: Envelope, subscriptions: Subscriptions) -> Iterable[Account]:
        """Connected wallets in the audience of a notification, or subscribed to the topic where it has no list."""
        body = envelope.body
        if isinstance(body, Notification) and body.audience is not None:
            return [Account(account) for account in body.audience if account in self._connections]
        if body.topic is None:
            return ()
        subscribers = subscriptions.readers(body.topic)
        if len(self._connections) < len(subscribers):
            return [account for account in self._connections if account in subscribers]
        return [account for account in subscribers if account in self._connections]
