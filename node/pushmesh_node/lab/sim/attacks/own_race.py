"""Forged copies that race honest frames: other auths, bad items, junk beside good items."""

from collections.abc import Sequence

from pushmesh_protocol.auth.schemes import Eip191, Eip712, Session, Solana
from pushmesh_protocol.auth.signing import SessionKey, WalletKey, sign_envelope
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame

from ..registry import attack
from .own_crowd import UNKNOWN_KIND, UNKNOWN_SCHEME, Forgers, form_of, mixed, readable, singles, with_auth


@attack("auth-swap", "sybils send honest envelopes under another auth ahead of the honest copy", own_protocol=True)
class AuthSwap(Forgers):
    """A signature that is wrong, a session whose grant nobody knows or that is another account's, a scheme that nobody
    knows; and what their own wallets sign is sent to each victim under another valid auth."""

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`."""
        items = singles(frame)
        by_session = [item for item in items if item.session is not None]
        made_up = SessionKey(self.random.randbytes(32), self.random.randbytes(32))
        foreign = self.random.choice(self.own).session
        frames = []
        for key in (made_up, foreign):
            if by_session:
                swapped = [with_auth(item, self._sign(item, key)) for item in by_session]
                frames.append(encode_frame([Part((item,)) for item in swapped]))
        frames.append(mixed([], *[form_of(item, [UNKNOWN_SCHEME, self.random.randbytes(8)]) for item in items]))
        frames.append(encode_frame([Part((spoilt(item, self.random.randrange(1, 64)),)) for item in items]))
        return frames

    def tick(self) -> None:
        """See `Adversary`: one own envelope, under another auth for each victim."""
        super().tick()
        author, now_ms = self.random.choice(self.own), self.world.clock.unix_ms
        item = self.publisher.item(author, now_ms, 60, by_wallet=True)
        rings = [ring for ring in self.rings.values() if ring.around]
        if rings:
            self.watch([item], rings[0].victim)
        for number, ring in enumerate(rings):
            self.tell(
                ring, self.topic_of(item), encode_frame([Part((minted(self, item, author.wallet.secret, number),))])
            )

    def _sign(self, item: Envelope, key: SessionKey) -> object:
        return sign_envelope(key, self.world.network, item.kind, item.body, item.id)


def minted(adversary: Forgers, item: Envelope, secret: bytes, number: int) -> Envelope:
    """The same envelope with the number-th of the valid auths that its wallet can make."""
    key = WalletKey(secret, chain_id=number) if number else WalletKey(secret, texts=True)
    return with_auth(item, sign_envelope(key, adversary.world.network, item.kind, item.body, item.id))


def spoilt(item: Envelope, bit: int) -> Envelope:
    """The item with one bit of its signature changed."""
    auth = item.auth
    flipped = bytearray(auth.signature)
    flipped[bit // 8] ^= 1 << bit % 8
    signature = bytes(flipped)
    match auth:
        case Session():
            return with_auth(item, Session(auth.key, auth.grant_id, signature, auth.work))
        case Eip712():
            return with_auth(item, Eip712(auth.chain_id, signature, auth.work))
        case Eip191():
            return with_auth(item, Eip191(signature, auth.work))
        case _:
            return with_auth(item, Solana(signature, auth.work))


@attack("bad-pack-race", "sybils pack honest items anew with one bad item and race the honest frame", own_protocol=True)
class BadPackRace(Forgers):
    """Every other packing is refused whole; a node that took anything out of it would not spread the honest frame."""

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`."""
        parts, author = readable(frame), self.random.choice(self.own)
        bad = self.publisher.item(author, self.world.clock.unix_ms, 20)
        frames = []
        for _ in range(self.forgeries):
            mine = [*parts, Part((spoilt(bad, self.random.randrange(1, 500)),))]
            self.random.shuffle(mine)
            frames.append(encode_frame(mine))
        return frames


@attack("junk-ride", "sybils pack honest items with such as are ignored, and race the honest frame", own_protocol=True)
class JunkRide(Forgers):
    """Unknown kinds and schemes, items over the allowance, items of made-up grants: another packing for each victim."""

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """See `Forgers`."""
        items = [Part((item,)) for item in singles(frame)]
        author, now_ms = self.random.choice(self.own), self.world.clock.unix_ms
        mine = self.publisher.item(author, now_ms, 20 + self.random.randrange(40))
        made_up = SessionKey(self.random.randbytes(32), self.random.randbytes(32))
        orphan = with_auth(mine, sign_envelope(made_up, self.world.network, mine.kind, mine.body, mine.id))
        over = self._over_allowance(now_ms)
        return [
            mixed(items, ItemForm(UNKNOWN_KIND, mine.author, self.random.randbytes(40), mine.auth)),
            mixed(items, form_of(mine, [UNKNOWN_SCHEME, self.random.randbytes(40)])),
            mixed(items, form_of(orphan)),
            mixed(items, form_of(over)),
        ]

    def _over_allowance(self, now_ms: int) -> Envelope:
        author = self.random.choice(self.own)
        kept, author.next_wallet_seq = author.next_wallet_seq, self.random.randrange(2**30, 2**31)
        item = self.publisher.item(author, now_ms, 20, by_wallet=True)
        author.next_wallet_seq = kept
        return item
