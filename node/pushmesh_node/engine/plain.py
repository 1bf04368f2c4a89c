"""Subscribers of whom there is nothing to say but that they are: one decision about a broadcast holds for all of them.

It knows subscriptions alone; whether a wallet has preferences of its own the curator looks up."""

from collections.abc import Set as AbstractSet

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account


class _Plain:
    """`soonest` is not after the first of the ends."""

    __slots__ = ("ends", "soonest")

    def __init__(self) -> None:
        self.ends: dict[Account, int] = {}
        self.soonest = 0


class PlainSubscribers:
    """By topic the wallets whose subscription in force is on and without settings, and until when (ms)."""

    def __init__(self) -> None:
        self._topics: dict[Topic, _Plain] = {}

    def put(self, topic: Topic, account: Account, ends_at: int) -> None:
        """It is one, until then."""
        plain = self._topics.setdefault(topic, _Plain())
        plain.soonest = min(plain.soonest, ends_at) if plain.ends else ends_at
        plain.ends[account] = ends_at

    def drop(self, topic: Topic, account: Account) -> None:
        """It is none any more."""
        plain = self._topics.get(topic)
        if plain is not None:
            plain.ends.pop(account, None)
            if not plain.ends:
                del self._topics[topic]

    def at(self, topic: Topic, now_ms: int) -> AbstractSet[Account]:
        """Those that are live. One whose end has come is decided by itself from then on: an older word of it may hold.

        Costs a walk over all of them where an end has come since the last one, else nothing."""
        plain = self._topics.get(topic)
        if plain is None:
            return frozenset()
        if plain.soonest <= now_ms:
            plain.ends = {account: ends_at for account, ends_at in plain.ends.items() if ends_at > now_ms}
            plain.soonest = min(plain.ends.values(), default=0)
            if not plain.ends:
                del self._topics[topic]
        return plain.ends.keys()
