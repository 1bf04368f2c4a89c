"""Which topics this node's own wallets follow, by the tags that heads of sync carry (SPEC 9.13)."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account

from ..engine.records import PrivateTopicRecord, Record, Write
from .topic_shards import tag_of

MAX_WALLETS: Final = 4_096
"""Those seen last; what the others follow comes a little later."""

FRESH_MS: Final = 30_000
"""What wallets follow no more counts for so long at most."""


class OwnTopics:
    """`topics_of` gives the topics that a wallet has switched on."""

    def __init__(self, topics_of: Callable[[Account], Iterable[Topic]], clock: Callable[[], int]) -> None:
        self._topics_of = topics_of
        self._clock = clock
        self._wallets: OrderedDict[Account, None] = OrderedDict()
        self._changed: set[Account] = set()
        self._tags: frozenset[int] = frozenset()
        self._made_ms: int | None = None

    def came(self, account: Account) -> None:
        """A wallet is of this node."""
        if account not in self._wallets:
            self._changed.add(account)
        self._wallets[account] = None
        self._wallets.move_to_end(account)
        if len(self._wallets) > MAX_WALLETS:
            self._changed.discard(self._wallets.popitem(last=False)[0])

    def stored(self, writes: Sequence[Write]) -> None:
        """These are durable: what wallets of this node subscribe to counts at once."""
        authors = {write.author for write in writes if isinstance(write, Record) and write.kind == Kind.SUBSCRIPTION}
        authors |= {write.account for write in writes if isinstance(write, PrivateTopicRecord)}
        self._changed.update([author for author in authors if author in self._wallets])

    def tags(self) -> frozenset[int]:
        """Of all topics that are followed; the same object until there is another."""
        now_ms = self._clock()
        if self._made_ms is None or now_ms - self._made_ms > FRESH_MS:
            self._made_ms = now_ms
            self._set(self._tags_of(self._wallets))
        elif self._changed:
            self._set(self._tags | self._tags_of(self._changed))
        return self._tags

    def _set(self, tags: frozenset[int]) -> None:
        self._changed.clear()
        if tags != self._tags:
            self._tags = tags

    def _tags_of(self, accounts: Iterable[Account]) -> frozenset[int]:
        return frozenset([tag_of(topic) for account in accounts for topic in self._topics_of(account)])
