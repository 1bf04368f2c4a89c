"""Which shards this node takes part in: all, some that the operator names, or those that its wallets and publishers
need. Never leaves one in haste: who reconnects finds the mesh as it was."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import SHARD_KINDS
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account, UnixMs

from ..config import ConfigError

LINGER_MS: Final = 3_600_000
"""A shard is left so long after nobody here needed it."""

WALLET_MS: Final = 7 * 86_400_000
"""A wallet that was not seen for so long is not of this node any more, until it comes again."""

MAX_WALLETS: Final = 262_144
LOOKS_PER_TICK: Final = 200
"""Wallets whose topics are looked at in one tick: it must not take long, and all must come up in half a linger."""


class JoinedShards:
    """`topics_of` gives the topics that a wallet has switched on, `is_here` tells whether it is connected, `always` are
    topics that are needed whoever comes. `tick` each second; `joined` changes there only."""

    def __init__(
        self,
        network: Network,
        wish: str,
        topics_of: Callable[[Account, UnixMs], Iterable[Topic]],
        is_here: Callable[[Account], bool],
        always: Iterable[Topic],
        clock: Callable[[], UnixMs],
    ) -> None:
        """`wish` is the configuration's word. Raises ConfigError for a shard that the network has not."""
        self._network = network
        self._topics_of = topics_of
        self._is_here = is_here
        self._clock = clock
        self._follows = wish == "needed"
        self._all = frozenset(range(network.shard_count))
        self._always = frozenset(map(self._shard_of, always))
        self._wallets: OrderedDict[Account, int] = (
            OrderedDict()
        )  # when each was seen; those to be looked at stand first
        self._needed_until: dict[int, int] = {}
        self.joined: frozenset[int] = self._always if self._follows else _fixed(wish, self._all)
        self.left: frozenset[int] = self._all - self.joined

    def came(self, account: Account, seen_ms: int | None = None) -> None:
        """A wallet logged in, or was here at that time. Beyond the bound it is left to those that are known."""
        if not self._follows:
            return
        seen_ms = self._clock() if seen_ms is None else seen_ms
        if account in self._wallets:
            self._wallets[account] = max(self._wallets[account], seen_ms)
        elif len(self._wallets) < MAX_WALLETS:
            self._wallets[account] = seen_ms
            self._wallets.move_to_end(account, last=False)

    def relayed(self, parts: Sequence[Part]) -> None:
        """What this node sent on its own initiative. In a shard that it is not in, somebody published that here."""
        if self.left and self._follows:
            first = [part.envelopes[0] for part in parts]  # all envelopes of a part have one topic
            topics = {each.topic for each in first if each.kind in SHARD_KINDS and each.topic is not None}
            self._need(topic for topic in topics if self._shard_of(topic) in self.left)

    def tick(self) -> bool:
        """Whether `joined` changed."""
        if not self._follows:
            return False
        now_ms = self._clock()
        if not self._is_plain_that_all_are_needed(now_ms):
            for account in list(islice(self._wallets, LOOKS_PER_TICK)):
                self._look(account, now_ms)
        joined = self._always | {shard for shard, until in self._needed_until.items() if until > now_ms}
        changed, self.joined, self.left = joined != self.joined, joined, self._all - joined
        return changed

    def _is_plain_that_all_are_needed(self, now_ms: int) -> bool:
        """On a node of many wallets it nearly always is, and there is nothing to look for."""
        late = [until for until in self._needed_until.values() if until - now_ms > LINGER_MS // 2]
        return len(late) == len(self._all)

    def _look(self, account: Account, now_ms: int) -> None:
        if self._is_here(account):
            self._wallets[account] = now_ms
        elif now_ms - self._wallets[account] > WALLET_MS:
            del self._wallets[account]
            return
        self._wallets.move_to_end(account)
        self._need(self._topics_of(account, UnixMs(now_ms)))

    def _need(self, topics: Iterable[Topic]) -> None:
        until = self._clock() + LINGER_MS
        for topic in topics:
            self._needed_until[self._shard_of(topic)] = until

    def _shard_of(self, topic: Topic) -> int:
        return self._network.shard(pack(topic))


def _fixed(wish: str, every: frozenset[int]) -> frozenset[int]:
    if wish == "all":
        return every
    shards = frozenset(map(int, wish.split(",")))
    if strangers := sorted(shards - every):
        raise ConfigError(f"gossip.shards names {strangers[0]}, but the network has {len(every)} shards, from 0 on")
    return shards
