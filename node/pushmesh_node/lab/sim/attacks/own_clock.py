"""Time: what was seen is replayed until the end of its window, and items that are about to be over ride with good
ones. Clocks of honest nodes are up to ten seconds off."""

from collections.abc import Sequence

from msgspec.structs import replace

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame
from pushmesh_protocol.kinds import Kind, Notification

from ....gossip.wire.rpc import Message
from ..registry import attack
from ..terrain import Terrain
from ..traffic import Author, signed_item
from ..world import World
from .own_crowd import Forgers, readable

SKEW_MS = 10_000
AHEAD_MS = 60_000


@attack(
    "replay-window",
    "sybils send everything that they saw to everybody, in other packings, until the window closes and after",
    own_protocol=True,
    terrain=Terrain(epoch_ms=30_000, skew_ms=SKEW_MS),
)
class ReplayWindow(Forgers):
    """Epochs of half a minute, so that items leave the window all the time. Each packing is another one; most often it
    mixes what is at the edge just then with what is new, sent ahead of the honest frame."""

    per_tick = 2

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._parts: list[Part] = []

    def spread(self, message: Message) -> None:
        """See `Forgers`."""
        self._parts += readable(self.world.sense.open(message.data, message.topic))
        super().spread(message)

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`: the new items beside some at the edge."""
        return [encode_frame([*readable(frame), *self._some(self._edge(), 4)])]

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        edge = self._edge()
        for ring in self.rings.values():
            for _ in range(self.per_tick):
                chosen = self._some(self._parts, 8) + self._some(edge, 4)
                if chosen:
                    unique = {part.envelopes[0].id: part for part in chosen}
                    self.tell(ring, self.topics[0], encode_frame(list(unique.values())))

    def _edge(self) -> list[Part]:
        """Those whose window ends now, by some clock."""
        network, now_ms = self.world.network, self.world.clock.unix_ms
        found = []
        for part in self._parts:
            epoch = network.epoch(part.envelopes[0].body.issued_at)
            ends_ms = network.epoch_start(epoch + 2)
            if abs(ends_ms - now_ms) < 2 * SKEW_MS:
                found.append(part)
        return found

    def _some(self, parts: Sequence[Part], count: int) -> list[Part]:
        return self.random.sample(parts, min(count, len(parts)))


@attack(
    "edge-expiry-poison",
    "items that are over, or begin to count, just now ride with honest items, so that honest clocks disagree",
    own_protocol=True,
    terrain=Terrain(skew_ms=SKEW_MS),
)
class EdgeExpiryPoison(Forgers):
    """A forwarder finds all well, the next node finds an item expired, or too far ahead of its time. Two such items a
    second: what is valid somewhere is traffic like any other, and would else be most of it."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._latest: list[Envelope] = []

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`."""
        parts = readable(frame)
        return [encode_frame([*parts, Part((item,))]) for item in self._latest]

    def tick(self) -> None:
        """See `Adversary`: alone too."""
        super().tick()
        self._latest = [self._edge_item(ahead) for ahead in (False, True)]
        for item in self._latest:
            self.tell_all(self.topic_of(item), encode_frame([Part((item,))]), self.halves()[0])

    def _edge_item(self, ahead: bool) -> Envelope:
        author, off_ms = self.random.choice(self.own), self.random.randrange(-SKEW_MS, SKEW_MS)
        issued_at = self.world.clock.unix_ms + (AHEAD_MS + off_ms if ahead else -60_000)
        expires_at = self.world.clock.unix_ms + (600_000 if ahead else off_ms)
        return self._item(author, issued_at, expires_at)

    def _item(self, author: Author, issued_at: int, expires_at: int) -> Envelope:
        plain = self.publisher.item(author, issued_at, 20, by_wallet=True).body
        assert isinstance(plain, Notification)
        body = replace(plain, issued_at=issued_at, expires_at=expires_at)
        return signed_item(self.world.network, Kind.NOTIFICATION, author.account, body, author.wallet)
