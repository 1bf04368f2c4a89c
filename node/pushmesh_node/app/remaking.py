"""What a stored frame was when it was committed, for the store to make again what stands beside it."""

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import Network

from ..engine.recording import record_of
from ..engine.records import Record, StoredItem
from ..storage.derived import Remake
from ..storage.sets import ShardOf
from .opened import Opener


def remaking(network: Network) -> Remake:
    """A function that reads frames of this network, on whatever thread it is called; it keeps the last one."""
    opener = Opener(network)

    def remake(item: StoredItem) -> Record | None:
        try:
            part = opener.part(item)
        except Refusal:
            return None
        epoch = network.epoch(part.envelopes[0].body.issued_at)
        return record_of(network, part, item.first_commit, epoch, sent=True, data=item.data, now_ms=0)

    return remake


def sharding(network: Network) -> ShardOf:
    """The network's rule (SPEC 8.6)."""

    def shard_of(topic: Topic) -> int:
        return network.shard(pack(topic))

    return shard_of
