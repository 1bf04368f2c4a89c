"""Which topics this node's own wallets follow, by the tags that heads of sync carry (SPEC 9.13)."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account

from .topic_shards import tag_of

MAX_WALLETS: Final = 4_096
"""Those seen last; what the others follow comes a little later."""

FRESH_MS: Final = 30_000


class OwnTopics:
    """`topics_of` gives the topics that a wallet has switched on."""

    def __init__(self, topics_of: Callable[[Account], Iterable[Topic]], clock: Callable[[], int]) -> None:
        self._topics_of = topics_of
        self._clock = clock
        self._wallets: OrderedDict[Account, None] = OrderedDict()
        self._tags: frozenset[int] = frozenset()
        self._made_ms: int | None = None

    def came(self, account: Account) -> None:
        """A wallet is of this node."""
        self._wallets[account] = None
        self._wallets.move_to_end(account)
        if len(self._wallets) > MAX_WALLETS:
            self._wallets.popitem(last=False)

    def __contains__(self, tag: int) -> bool:
        """Whether a topic of this tag is followed; what that rests on is half a minute old at most."""
        now_ms = self._clock()
        if self._made_ms is None or now_ms - self._made_ms > FRESH_MS:
            self._made_ms = now_ms
            self._tags = frozenset([tag_of(topic) for account in self._wallets for topic in self._topics_of(account)])
        return tag in self._tags
