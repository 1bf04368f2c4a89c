"""Sybils that send frames which cost much to refuse."""

from itertools import pairwise
from random import Random

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.network import Network

from ....gossip.wire.rpc import Message, Rpc
from ..registry import attack
from ..traffic import Publisher, new_author
from ..wire import Payload
from .published_crowd import Crowd

GOOD_ITEMS, BAD_ITEMS = 400, 16
ITEMS_PER_FRAME = 256


class Spam:
    """Frames of which each is full of good signatures that must be checked before the one bad one is met."""

    def __init__(self, network: Network, seed: str, now_ms: int, random: Random, shard: int) -> None:
        author = new_author(network, seed, now_ms, shard=shard)
        publisher = Publisher(network, [author], random)
        items = [publisher.item(author, now_ms, 10, by_wallet=True) for _ in range(GOOD_ITEMS + BAD_ITEMS)]
        self._good = [Part((item,)) for item in items[BAD_ITEMS:]]
        self._bad = [Part((_spoilt(item, other),)) for item, other in pairwise(items[: BAD_ITEMS + 1])]
        self._random = random

    def frame(self) -> bytes:
        """Another one each time."""
        parts = [*self._random.sample(self._good, ITEMS_PER_FRAME - 1), self._random.choice(self._bad)]
        self._random.shuffle(parts)
        return encode_frame(parts)


def _spoilt(item: Envelope, other: Envelope) -> Envelope:
    """The item under another item's signature: well formed, and wrong."""
    return Envelope(item.id, item.kind, item.author, item.body, item.body_bytes, other.auth, item.cost)


@attack(
    "invalid-spam",
    "sybils send bursts of frames full of signatures of which one is bad, then stay on the brink",
    is_long=True,
)
class InvalidSpam(Crowd):
    """As many frames as a peer may send without being graylisted, and as many again when those are half forgiven. No
    two frames that a node gets are the same, as copies cost nothing."""

    per_burst = 10
    burst_every_ms = 36_000

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        shard = int(self.topics[0].rpartition("/")[2])
        self._spam = Spam(self.world.network, f"{self.world.seed}/spam", self.world.clock.unix_ms, self.random, shard)
        self._frames: list[tuple[Payload, int]] = []

    def begin(self) -> None:
        """See `Adversary`."""
        super().begin()
        self.world.clock.after(5_000_000, self._burst)

    def _burst(self) -> None:
        if not self.active:
            return
        self._frames.clear()
        for ring in self.rings.values():
            place = 0
            for sybil in ring.around:
                for _ in range(self.per_burst):
                    sybil.say(ring.victim, *self._frame(place))
                    place += 1
        self.world.clock.after(self.burst_every_ms * 1_000, self._burst)

    def _frame(self, place: int) -> tuple[Payload, int]:
        """As it is read, with its size: one object for all victims."""
        while place >= len(self._frames):
            self._frames.append(self.encoded(Rpc(messages=(Message(self.topics[0], self._spam.frame()),))))
        return self._frames[place]
