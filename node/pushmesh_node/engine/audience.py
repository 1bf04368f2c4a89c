"""Which connected wallets a message concerns, and which topic or list says so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account

from .subscriptions import Subscriptions


@dataclass(frozen=True, slots=True)
class Concerned:
    """Connected wallets that a message concerns: the `plain` ones, of whom there is nothing to say but that they
    subscribed, and the `others`."""

    accounts: Sequence[Account]
    plain: list[Account]
    others: Sequence[Account]


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

    def concerned(
        self, topic: Topic | None, audience: Sequence[Account] | None, subscriptions: Subscriptions
    ) -> Sequence[Account]:
        """Connected wallets in the audience of a message, or subscribed to its topic where it has no list."""
        if audience is not None:
            return [account for account in audience if account in self._connections]
        if topic is None:
            return ()
        subscribers = subscriptions.readers(topic)
        if len(self._connections) < len(subscribers):
            return [account for account in self._connections if account in subscribers]
        return [account for account in subscribers if account in self._connections]
