"""Words that a key's owner can make without number: auths of one envelope, and small items with large company."""

from collections.abc import Sequence

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import SessionKey, SolanaKey, account_of
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Grant, Kind, Scope
from pushmesh_protocol.limits import DAY_MS

from ..registry import attack
from ..traffic import Author, new_author, signed_item
from ..world import World
from .own_crowd import Forgers, readable
from .own_race import minted


@attack("auth-mint", "a key's owner makes valid auths without end for the same envelopes", own_protocol=True)
class AuthMint(Forgers):
    """Typed data may name any chain, so that each envelope has 2^53 auths. Each victim meets it under another one
    first, then under fresh ones every second, among honest items too."""

    per_tick = 4

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._serial = 0
        self._minted: list[tuple[Author, Envelope]] = []

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        if self._ticks % 10 == 1 and self.rings:
            author = self.random.choice(self.own)
            item = self.publisher.item(author, self.world.clock.unix_ms, 40, by_wallet=True)
            self._minted.append((author, item))
        for author, item in self._minted[-self.per_tick :]:
            for ring in self.rings.values():
                self._serial += 1
                again = minted(self, item, author.wallet.secret, self._serial)
                self.tell(ring, self.topic_of(item), encode_frame([Part((again,))]))

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`: the honest items with one that is known, under a fresh auth."""
        if not self._minted:
            return ()
        author, item = self.random.choice(self._minted)
        self._serial += 1
        again = minted(self, item, author.wallet.secret, self._serial)
        return [encode_frame([*readable(frame), Part((again,))])]


@attack(
    "small-session-item", "tiny new items drag large grants and whole frames of known items along", own_protocol=True
)
class SmallSessionItem(Forgers):
    """Each second a new item of a few bytes, whose young grant names as many topics as a grant can, in one frame with
    what is known: nodes must not carry the company again and again for the item."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._large: list[tuple[Author, Envelope, SessionKey]] = []
        self._known: list[Part] = []

    def prepare(self) -> None:
        """See `Adversary`: wallets without a grant of old, which would own all slots."""
        super().prepare()
        world, shard = self.world, int(self.topics[0].rpartition("/")[2])
        names = [f"{world.seed}/minter/{n}" for n in range(len(self.own))]
        self.own = [new_author(world.network, name, world.clock.unix_ms, shard=shard) for name in names]

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`: nothing, but what is known is good company."""
        known = {part.envelopes[0].id: part for part in [*readable(frame), *self._known]}
        self._known = list(known.values())[:24]
        return ()

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        if not self.rings:
            return
        if self._ticks % 20 == 1:
            self._large.append(self._large_grant(self.random.choice(self.own)))
        author, grant, key = self._large[-1]
        author.session, author.grant = key, grant
        item = self.publisher.item(author, self.world.clock.unix_ms, 8)
        frame = encode_frame([Part((item,)), *self._known], [grant])
        self.tell_all(self.topic_of(item), frame, self.halves()[0])

    def _large_grant(self, author: Author) -> tuple[Author, Envelope, SessionKey]:
        network, now_ms, number = self.world.network, self.world.clock.unix_ms, len(self._large)
        seed = sha256(f"{self.world.seed}/large/{number}".encode())
        others = [Topic(author.account, f"{n:02}-{'x' * 61}") for n in range(31)]
        body = Grant(
            issued_at=now_ms,
            seq=author.next_wallet_seq,
            expires_at=now_ms + 30 * DAY_MS,
            topic=None,
            key=account_of(SolanaKey(seed))[1:],
            seal_key=None,
            scopes=[int(Scope.NOTIFICATION)],
            topics=sorted([author.topic, *others]),
            first_seq=2**31 + 10_000 * (number + 1),
            end_seq=2**31 + 10_000 * (number + 2),
            not_before=now_ms,
        )
        author.next_wallet_seq += 4
        author.next_session_seq = body.first_seq
        grant = signed_item(network, Kind.GRANT, author.account, body, author.wallet)
        return author, grant, SessionKey(seed, grant.id)
