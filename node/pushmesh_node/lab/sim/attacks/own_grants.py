"""Grants and what rests on them in every order: items ahead of their grants, cuts in the past, grants that never
come."""

from collections.abc import Sequence

from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Grant, Kind, Retraction, Subscription
from pushmesh_protocol.kinds.retraction import RETRACT
from pushmesh_protocol.limits import DAY_MS, GRANT_RIDES_MS

from ....gossip.wire.rpc import Message
from ..node import SimNode
from ..registry import attack
from ..traffic import Author, new_author, signed_item
from ..world import World
from .own_crowd import Forgers, readable

GRANT_MS, ITEMS_MS = 2_000, 3
RANGE = 1_000
"""Slots of each grant, of which every second one overlaps with the one before."""


class GrantGivers(Forgers):
    """Honest authors give new keys all the time, whose first items follow the grant by milliseconds."""

    items_per_grant = 3

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self.givers: list[Author] = []
        self.given: list[tuple[Author, Envelope, SessionKey, list[Envelope]]] = []

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        world, shard = self.world, int(self.topics[0].rpartition("/")[2])
        names = [f"{world.seed}/giver/{n}" for n in range(4)]
        self.givers = [new_author(world.network, name, world.clock.unix_ms, shard=shard) for name in names]
        names = [f"{world.seed}/rogue/{n}" for n in range(4)]  # without a grant of old, which would own all slots
        self.own = [new_author(world.network, name, world.clock.unix_ms, shard=shard) for name in names]

    def begin(self) -> None:
        """See `Adversary`."""
        super().begin()
        self.every(GRANT_MS, self.give)

    def give(self) -> None:
        """An honest author publishes a grant at one node, and at once what its key signs."""
        author = self.random.choice(self.givers)
        grant, key = self.grant_of(author, len(self.given))
        author.session, author.grant, author.next_session_seq = key, grant, self._first_seq(grant)
        now_ms = self.world.clock.unix_ms
        items = [self.publisher.item(author, now_ms + 1 + n, 60) for n in range(self.items_per_grant)]
        self.given.append((author, grant, key, items))
        node = self.random.choice([node for node in self.world.nodes if node.is_running])
        self.world.publish(node, [Part((grant,))], 400)
        self.world.clock.after(ITEMS_MS * 1_000, self.follow, node, items)

    def grant_of(self, author: Author, number: int) -> tuple[Envelope, SessionKey]:
        """A grant of its own range."""
        author.next_wallet_seq += 1
        first = 2**31 + RANGE * (number + 1)
        return self.new_grant(
            f"given/{number}", author.wallet, author.next_wallet_seq, first_seq=first, end_seq=first + RANGE
        )

    def follow(self, node: SimNode, items: Sequence[Envelope]) -> None:
        """The first items of a new key, at the node that has its grant."""
        if node.is_running:
            self.world.publish(node, [Part((item,)) for item in items], 400 * len(items))

    def _first_seq(self, grant: Envelope) -> int:
        assert isinstance(grant.body, Grant)
        return grant.body.first_seq


@attack("grant-race", "session items race ahead of their grants, and grants reach some nodes only", own_protocol=True)
class GrantRace(GrantGivers):
    """Honest frames are stripped of their grants and race ahead. Keys of their own sign too: grants that overlap, their
    items and their revocations each reach another half of the nodes."""

    def spread(self, message: Message) -> None:
        """See `Forgers`: without the grants, to whoever has it not."""
        if not self.active or self.made(message.data):
            return
        frame = self.world.sense.open(message.data, message.topic)
        parts = [part for part in frame.parts if isinstance(part, Part)]
        holders = self.holders.get(message.data, set())
        for ring in self.rings.values():
            if ring.victim.node_id not in holders:
                self.random.shuffle(parts)
                self.tell(ring, message.topic, encode_frame(parts))

    def tick(self) -> None:
        """See `Adversary`: own grants, in two overlapping generations, and what rests on them."""
        super().tick()
        if not self.rings:
            return
        author, now_ms = self.random.choice(self.own), self.world.clock.unix_ms
        first = 2**31 + 2**20 + RANGE * self._ticks
        words: list[Envelope] = []
        for generation in range(2):
            author.next_wallet_seq += 1
            grant, key = self.new_grant(
                f"own/{self._ticks}/{generation}",
                author.wallet,
                author.next_wallet_seq,
                issued_at=now_ms - 2_000 + 1_000 * generation,
                first_seq=first,
                end_seq=first + RANGE,
            )
            words.append(grant)
            author.session, author.next_session_seq = key, first
            words += [self.publisher.item(author, now_ms - 500 + n, 30) for n in range(2)]
            author.next_wallet_seq += 1
            words.append(self.revoke(author.wallet, author.next_wallet_seq, grant.id, now_ms - 500, first))
        for word in self.random.sample(words, len(words)):
            half = self.halves()[0]
            self.tell_all(self.topic_of(word), encode_frame([Part((word,))]), half)


@attack(
    "pre-sync-cut",
    "revocations with cuts in the past meet nodes before or after what they cut, and one node is away",
    own_protocol=True,
)
class PreSyncCut(GrantGivers):
    """Honest authors revoke their keys, back to a moment between two of their items. The crowd takes the revocation to
    some at once. Their own keys sign notifications, subscriptions, topics' retractions before and after a cut that half
    of the nodes are told first."""

    away_every_ms, away_ms = 20_000, 12_000

    def begin(self) -> None:
        """See `Adversary`."""
        super().begin()
        self.every(self.away_every_ms, self._away)

    def _away(self) -> None:
        node = self.random.choice(self.world.nodes[1:])
        node.stop()
        self.world.clock.after(self.away_ms * 1_000, node.start)

    def follow(self, node: SimNode, items: Sequence[Envelope]) -> None:
        """See `GrantGivers`: then a revocation, whose cut is after the last of them."""
        super().follow(node, items)
        author, grant, _, _ = self.given[-1]
        author.next_wallet_seq += 1
        word = self.revoke(author.wallet, author.next_wallet_seq, grant.id, items[-1].body.issued_at, 2**32 - 1)
        self.world.clock.after(
            1_000_000, self.world.publish, self.random.choice(self.world.nodes), [Part((word,))], 300
        )

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        if not self.rings:
            return
        author, now_ms = self.random.choice(self.own), self.world.clock.unix_ms
        author.next_wallet_seq += 1
        first = 2**31 + 2**20 + RANGE * self._ticks
        grant, key = self.new_grant(
            f"cut/{self._ticks}",
            author.wallet,
            author.next_wallet_seq,
            issued_at=now_ms - 4_000,
            first_seq=first,
            end_seq=first + RANGE,
        )
        author.session, author.next_session_seq = key, first
        before = self.publisher.item(author, now_ms - 3_000, 30)
        after = [self._retraction(author, before, key, now_ms), self._subscription(author, key, now_ms)]
        author.next_wallet_seq += 1
        word = self.revoke(author.wallet, author.next_wallet_seq, grant.id, now_ms - 2_000)
        one, other = self.halves()
        self.tell_all(self.topic_of(grant), encode_frame([Part((grant,))]))
        first_half, second_half = [word, before, *after], [before, *after, word]
        for half, words in ((one, first_half), (other, second_half)):
            for place, each in enumerate(words):
                self.world.clock.after((100 + 5 * place) * 1_000, self._tell, each, half)

    def _tell(self, envelope: Envelope, half: Sequence[SimNode]) -> None:
        self.tell_all(self.topic_of(envelope), encode_frame([Part((envelope,))]), half)

    def _retraction(self, author: Author, target: Envelope, key: SessionKey, now_ms: int) -> Envelope:
        author.next_session_seq += 1
        body = Retraction(
            now_ms, author.next_session_seq, target.body.expires_at, author.topic, target.id, RETRACT, None
        )
        return signed_item(self.world.network, Kind.RETRACTION, author.account, body, key)

    def _subscription(self, author: Author, key: SessionKey, now_ms: int) -> Envelope:
        author.next_session_seq += 1
        body = Subscription(now_ms, author.next_session_seq, now_ms + 300 * DAY_MS, author.topic, True, None, False)
        return signed_item(self.world.network, Kind.SUBSCRIPTION, author.account, body, key)


@attack("made-up-grant", "sybils send session items without end whose grants do not exist", own_protocol=True)
class MadeUpGrant(GrantGivers):
    """They wait in park buffers, where honest items whose grants are late must still find room: those of grants that
    were signed an hour ago and are published now, which ride with no item."""

    per_frame = 256
    stock = 96

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        shard = int(self.topics[0].rpartition("/")[2])
        now_ms = self.world.clock.unix_ms
        author = new_author(self.world.network, f"{self.world.seed}/ghost", now_ms, shard=shard)
        self._topic = self.topics[0]
        self._ghosts: list[bytes] = []
        key = SessionKey(sha256(b"ghost"), b"")
        items = [self.publisher.item(author, now_ms + 60_000, 8) for _ in range(self.per_frame)]
        for number in range(self.stock):
            mine = SessionKey(key.seed, sha256(f"{self.world.seed}/ghost/{number}".encode()))
            forged = [self._ghost(item, mine) for item in items]
            self._ghosts.append(encode_frame([Part((item,)) for item in forged]))

    def grant_of(self, author: Author, number: int) -> tuple[Envelope, SessionKey]:
        """See `GrantGivers`: one that was signed long ago."""
        author.next_wallet_seq += 1
        first, old_ms = 2**31 + RANGE * (number + 1), self.world.clock.unix_ms - GRANT_RIDES_MS - 60_000
        name, seq = f"given/{number}", author.next_wallet_seq
        return self.new_grant(name, author.wallet, seq, issued_at=old_ms, first_seq=first, end_seq=first + RANGE)

    def _ghost(self, item: Envelope, key: SessionKey) -> Envelope:
        return signed_item(self.world.network, item.kind, item.author, item.body, key)

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`: the honest frame itself, faster than any grant, so that its items must wait."""
        return [encode_frame(readable(frame))]

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        for number, ring in enumerate(self.rings.values()):
            self.tell(ring, self._topic, self._ghosts[(self._ticks + number) % self.stock])
