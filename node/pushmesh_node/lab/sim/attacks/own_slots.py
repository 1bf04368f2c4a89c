"""One slot used twice or hundreds of times: the pairs that make it void are kept, the rest is surplus."""

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Subscription
from pushmesh_protocol.limits import DAY_MS

from ..registry import attack
from ..traffic import Author, signed_item
from ..world import World
from .own_crowd import Forgers

IDS = 300


@attack(
    "double-use-split",
    "one account signs two envelopes for one slot, and shows one to each half of the network",
    own_protocol=True,
)
class DoubleUseSplit(Forgers):
    """Notifications and subscriptions, by wallet and by session key; both must be everywhere, and void."""

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        if not all(ring.around for ring in self.rings.values()) or len(self.rings) < len(self.world.nodes):
            return
        author = self.random.choice(self.own)
        pair = self._subscriptions(author) if self.random.random() < 0.3 else self.same_slot(author, 2)
        for envelope, half in zip(pair, self.halves(), strict=True):
            self.watch([envelope], half[0])
            self.tell_all(self.topic_of(envelope), encode_frame([Part((envelope,))]), half)

    def same_slot(self, author: Author, count: int) -> list[Envelope]:
        """Different notifications in one slot of the author."""
        now_ms, by_wallet = self.world.clock.unix_ms, self.random.random() < 0.5
        seqs = (author.next_wallet_seq, author.next_session_seq)
        found = []
        for number in range(count):
            author.next_wallet_seq, author.next_session_seq = seqs
            found.append(self.publisher.item(author, now_ms, 30 + number, by_wallet=by_wallet))
        return found

    def _subscriptions(self, author: Author) -> list[Envelope]:
        now_ms, seq = self.world.clock.unix_ms, author.next_wallet_seq
        author.next_wallet_seq += 1
        bodies = [
            Subscription(now_ms, seq, now_ms + 400 * DAY_MS, author.topic, on, None, receipts)
            for on, receipts in ((True, True), (False, False))
        ]
        network = self.world.network
        return [signed_item(network, Kind.SUBSCRIPTION, author.account, body, author.wallet) for body in bodies]


@attack(
    "one-slot-many-ids",
    "one account signs hundreds of envelopes for one slot, and shows others to each node",
    own_protocol=True,
)
class OneSlotManyIds(DoubleUseSplit):
    """Nobody can say which two are first; each node takes another pair."""

    slots = 8
    """Slots in use at a time; each is used again and again, so that nodes keep meeting ids that they do not hold."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._ids: list[list[Envelope]] = []

    def tick(self) -> None:
        """See `Adversary`."""
        super(DoubleUseSplit, self).tick()
        if len(self._ids) < self.slots:
            self._ids.append(self.same_slot(self.random.choice(self.own), IDS))
        for ring in self.rings.values():
            for ids in self._ids:
                envelopes = self.random.sample(ids, 3)
                self.tell(ring, self.topic_of(ids[0]), encode_frame([Part((each,)) for each in envelopes]))
