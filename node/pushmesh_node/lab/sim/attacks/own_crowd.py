"""What attacks on our own protocol begin with: a crowd in all meshes that hears each honest frame and races it with
frames of its own making. Registers no attack."""

from collections.abc import Sequence
from itertools import cycle

from msgspec.structs import replace

from pushmesh_protocol.auth.signing import SessionKey, SolanaKey, WalletKey, account_of
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.forms import FrameForm, ItemForm
from pushmesh_protocol.frames import OpenFrame, Part, gossip_topic_of
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Grant, Kind, Revocation, Scope
from pushmesh_protocol.kinds.revocation import LIFE_MS as REVOCATION_LIFE_MS
from pushmesh_protocol.limits import DAY_MS

from ....gossip.wire.rpc import Message, Rpc
from ..node import SimNode
from ..traffic import Author, Publisher, new_author, signed_item
from ..world import World
from .published_crowd import Insiders, Ring

UNKNOWN_KIND = 99
UNKNOWN_SCHEME = 9
ACCOMPLICES = 4

MADE_KEPT = 8_192
"""Frames of their own that they know again where honest nodes pass them on."""


class Forgers(Insiders):
    """Each frame that the crowd hears of is raced by what `forge` makes of it: every victim that has not got it yet is
    sent those frames, each by another sybil of its mesh, and the frame itself by none.

    They have wallets of their own, whose grants are known of old, and sign with those whatever they like."""

    seats = 48
    most_lures = 8
    free_for_lures = 8
    eager = 8
    forgeries = 4
    """Frames to one victim for each that is heard."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self.own: list[Author] = []
        self._met: dict[bytes, None] = {}
        self._made: dict[bytes, None] = {}
        self._turns: dict[bytes, cycle[int]] = {}

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        world, shard = self.world, int(self.topics[0].rpartition("/")[2])
        names = [f"{world.seed}/accomplice/{n}" for n in range(ACCOMPLICES)]
        self.own = [new_author(world.network, name, world.clock.unix_ms, shard=shard) for name in names]
        world.preload(self.own)
        self.publisher = Publisher(world.network, self.own, self.random)

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        """What to race a frame with, the likeliest to harm first. Each call may give other frames."""
        return ()

    def spread(self, message: Message) -> None:
        """See `Insiders`: forgeries in place of the frame."""
        if not self.active or self.made(message.data):
            return
        frame = self.world.sense.open(message.data, message.topic)
        if not self.is_new(frame):
            return
        holders = self.holders.get(message.data, set())
        for ring in self.rings.values():
            if ring.victim.node_id not in holders:
                for data in list(self.forge(message.topic, frame))[: self.forgeries]:
                    self.tell(ring, message.topic, data)

    def is_new(self, frame: OpenFrame) -> bool:
        """Whether a frame brings an honest item that was in none before: else each of their own words that honest nodes
        pack anew would beget others without end."""
        own = {author.account for author in self.own}
        fresh = [each.id for each in frame.envelopes() if each.author not in own and each.id not in self._met]
        self._met.update(dict.fromkeys(fresh))
        return bool(fresh)

    def made(self, data: bytes) -> bool:
        """Whether a frame is of their own making."""
        return data in self._made

    def tell(self, ring: Ring, topic: str, data: bytes) -> bool:
        """One sybil around a victim sends it a frame, another each time; those in its mesh first."""
        self._made[data] = None
        if len(self._made) > MADE_KEPT:
            del self._made[next(iter(self._made))]
        crowd = list(ring.mesh or ring.around)
        if not crowd:
            return False
        turn = self._turns.setdefault(ring.victim.node_id, cycle(range(1 << 30)))
        return crowd[next(turn) % len(crowd)].send(ring.victim, Rpc(messages=(Message(topic, data),)))

    def tell_all(self, topic: str, data: bytes, victims: Sequence[SimNode] | None = None) -> None:
        """One sybil around each victim sends it this frame."""
        chosen = None if victims is None else {victim.node_id for victim in victims}
        for node_id, ring in self.rings.items():
            if chosen is None or node_id in chosen:
                self.tell(ring, topic, data)

    def halves(self) -> tuple[list[SimNode], list[SimNode]]:
        """The honest nodes, in two halves that chance draws anew each time."""
        nodes = list(self.world.nodes)
        self.random.shuffle(nodes)
        return nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]

    def watch(self, envelopes: Sequence[Envelope], where: SimNode) -> None:
        """These must get everywhere from there, whoever signed them."""
        size = sum([len(item_bytes(envelope)) for envelope in envelopes])
        self.world.measures.expect([each.id for each in envelopes], self.world.clock.now_us, where.number, size)

    def topic_of(self, envelope: Envelope) -> str:
        """The gossip topic it rides on."""
        return gossip_topic_of(self.world.network, envelope)

    def new_grant(
        self,
        name: str,
        wallet: WalletKey,
        seq: int,
        *,
        issued_at: int | None = None,
        first_seq: int | None = None,
        end_seq: int = 2**32 - 1,
        topics: Author | None = None,
    ) -> tuple[Envelope, SessionKey]:
        """A grant of a new session key, and the key."""
        network, now_ms = self.world.network, self.world.clock.unix_ms
        issued = now_ms if issued_at is None else issued_at
        seed = sha256(f"{self.world.seed}/{name}".encode())
        body = Grant(
            issued_at=issued,
            seq=seq,
            expires_at=issued + 30 * DAY_MS,
            topic=None,
            key=account_of(SolanaKey(seed))[1:],
            seal_key=None,
            scopes=[int(Scope.SUBSCRIPTION), int(Scope.NOTIFICATION), int(Scope.RETRACTION)],
            topics=None if topics is None else [topics.topic],
            first_seq=network.wallet_range if first_seq is None else first_seq,
            end_seq=end_seq,
            not_before=issued,
        )
        grant = signed_item(network, Kind.GRANT, account_of(wallet), body, wallet)
        return grant, SessionKey(seed, grant.id)

    def revoke(self, wallet: WalletKey, seq: int, grant_id: bytes | None, cut_ms: int, cut_seq: int = 0) -> Envelope:
        """A wallet's revocation of one grant, or of all that it gave until now."""
        now_ms = self.world.clock.unix_ms
        body = Revocation(
            issued_at=now_ms,
            seq=seq,
            expires_at=now_ms + REVOCATION_LIFE_MS,
            topic=None,
            grant_id=grant_id,
            before=None if grant_id is not None else now_ms,
            cut_time=cut_ms,
            cut_seq=cut_seq,
        )
        return signed_item(self.world.network, Kind.REVOCATION, account_of(wallet), body, wallet)


def mixed(parts: Sequence[Part], *strange: ItemForm) -> bytes:
    """A frame of whole items, and of forms that no key made."""
    form = FrameForm(1, [], [], [*[form_of(part.envelopes[0]) for part in parts if part.statement is None], *strange])
    return pack(form)


def form_of(envelope: Envelope, auth: object = None) -> ItemForm:
    """An envelope as frames carry it, with another auth where one is given."""
    return ItemForm(envelope.kind, envelope.author, envelope.body_bytes, auth or envelope.auth)  # type: ignore[arg-type]  # lies are no Auth


def with_auth(envelope: Envelope, auth: object) -> Envelope:
    """The same envelope, said to be signed otherwise."""
    return replace(envelope, auth=auth)


def singles(frame: OpenFrame) -> list[Envelope]:
    """The items that have an auth of their own."""
    return [part.envelopes[0] for part in frame.parts if isinstance(part, Part) and part.statement is None]


def readable(frame: OpenFrame) -> list[Part]:
    """Its parts."""
    return [part for part in frame.parts if isinstance(part, Part)]
