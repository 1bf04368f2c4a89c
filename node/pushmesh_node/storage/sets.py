"""The sets that nodes keep in step with each other: one for each shard of topics, and one of all control kinds."""

from collections.abc import Callable

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import registry

CONTROL_SET = 255
"""Of grants, revocations, topics and node bindings; no shard has this number."""

ShardOf = Callable[[Topic], int]
"""The network's rule (SPEC 8.6): a topic's shard."""

Place = tuple[int, int]
"""A topic's number in this store, and its shard."""

SHARD_KINDS = frozenset(registry.SHARD_KINDS)


def one_shard(topic: Topic) -> int:
    """Of a network with one shard."""
    return 0


def set_of(kind: int, topic: Topic | None, shard_of: ShardOf) -> int:
    """The set of an envelope: the topic's shard, or CONTROL_SET."""
    return CONTROL_SET if topic is None or kind not in SHARD_KINDS else shard_of(topic)
