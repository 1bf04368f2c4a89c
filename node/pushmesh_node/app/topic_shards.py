"""The parts of sync that topics belong to, remembered for those that come again."""

from functools import lru_cache
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.network import Network

from ..sync.parts import part_of

REMEMBERED: Final = 16_384


@lru_cache(REMEMBERED)
def tag_of(topic: Topic | None) -> int:
    """The tag of a topic in heads, 0 for none (SPEC 9.9)."""
    return 0 if topic is None else int.from_bytes(sha256(pack(topic))[:8], "big") >> 1


class TopicShards:
    """Bounded: when it is full it starts anew."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._shards: dict[Topic, int] = {}

    def part(self, kind: int, topic: Topic | None) -> int:
        """The part of an envelope of this kind and topic (SPEC 9.1)."""
        return part_of(kind, None if topic is None else self._shard(topic), self._network.shard_count)

    def _shard(self, topic: Topic) -> int:
        shard = self._shards.get(topic)
        if shard is None:
            if len(self._shards) >= REMEMBERED:
                self._shards.clear()
            shard = self._shards[topic] = self._network.shard(pack(topic))
        return shard
