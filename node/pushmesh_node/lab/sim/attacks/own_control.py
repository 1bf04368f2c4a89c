"""Floods of control: grants, topics, bindings and revocations by fresh keys, paid for with work and not."""

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.auth.signing import SolanaKey, WalletKey, account_of, sign_envelope, sign_node_binding
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Grant, Kind, NodeBinding, Revocation, Scope, TopicDetails
from pushmesh_protocol.kinds.registry import AnyBody
from pushmesh_protocol.kinds.revocation import LIFE_MS as REVOCATION_LIFE_MS
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.work import find_work, required_bits

from ..registry import attack
from ..terrain import Terrain
from ..world import World
from .own_crowd import Forgers
from .own_race import spoilt

WORK_BITS = 6


@attack(
    "control-flood",
    "fresh keys flood grants, topics, bindings and revocations, paid for with work, unpaid and with bad signatures",
    own_protocol=True,
    terrain=Terrain(work_bits=WORK_BITS),
)
class ControlFlood(Forgers):
    """On a network where strangers have no allowance. What is paid for is traffic like any other: so much of it as four
    million hashes a second buy at 20 bits. What is not paid for comes in full frames, other ones to each victim."""

    paid_per_tick = 4
    per_frame = 64
    frames_per_victim = 2

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world, count)
        self._keys = 0
        self._unpaid: list[Envelope] = []

    def prepare(self) -> None:
        """See `Adversary`."""
        super().prepare()
        self._unpaid = [self._word(kind, paid=False) for kind in _KINDS for _ in range(self.per_frame)]

    def tick(self) -> None:
        """See `Adversary`."""
        super().tick()
        if not self.rings:
            return
        for _ in range(self.paid_per_tick):
            word = self._word(self.random.choice(_KINDS), paid=True)
            self.tell_all(self.topic_of(word), encode_frame([Part((word,))]), self.halves()[0])
            bad = spoilt(word, self.random.randrange(1, 500))
            ring = self.random.choice(list(self.rings.values()))
            self.tell(ring, self.topic_of(word), encode_frame([Part((bad,))]))
        for ring in self.rings.values():
            for _ in range(self.frames_per_victim):
                kind = self.random.choice(_KINDS)
                words = [word for word in self._unpaid if word.kind == kind]
                self.random.shuffle(words)
                self.tell(ring, self.topic_of(words[0]), encode_frame([Part((word,)) for word in words[:48]]))

    def _word(self, kind: Kind, *, paid: bool) -> Envelope:
        """One word of a key that nobody has seen; unpaid ones carry no work, or too little."""
        network, now_ms = self.world.network, self.world.clock.unix_ms
        self._keys += 1
        seed = sha256(f"{self.world.seed}/flood/{self._keys}".encode())
        key = WalletKey(seed)
        account = account_of(key)
        body = self._body(kind, seed, now_ms, self.random.randrange(2**30))
        data = pack(body)
        envelope_id = network.hash_envelope(bytes((kind,)), account, data)
        work = None
        if paid:
            work = find_work(envelope_id, required_bits(network.parameters.difficulty(kind), 8))
        elif self._keys % 2:
            work = 0
        return check_item(network, kind, account, data, sign_envelope(key, network, kind, body, envelope_id, work=work))

    def _body(self, kind: Kind, seed: bytes, now_ms: int, seq: int) -> AnyBody:
        account = account_of(WalletKey(seed))
        if kind is Kind.TOPIC:
            topic = Topic(account, "flood")
            icon = self.random.randbytes(600)
            return TopicDetails(now_ms, seq, now_ms + DAY_MS, topic, "flood", None, icon, None, None)
        if kind is Kind.REVOCATION:
            return Revocation(now_ms, seq, now_ms + REVOCATION_LIFE_MS, None, None, now_ms, now_ms, 0)
        if kind is Kind.NODE_BINDING:
            expires = now_ms + DAY_MS
            signature = sign_node_binding(seed, self.world.network, account, expires)
            return NodeBinding(now_ms, seq, expires, None, ed25519.public_key(seed), signature)
        return Grant(
            issued_at=now_ms,
            seq=seq,
            expires_at=now_ms + DAY_MS,
            topic=None,
            key=account_of(SolanaKey(seed))[1:],
            seal_key=None,
            scopes=[int(Scope.NOTIFICATION)],
            topics=None,
            first_seq=self.world.network.wallet_range,
            end_seq=2**32 - 1,
            not_before=now_ms,
        )


_KINDS = (Kind.GRANT, Kind.TOPIC, Kind.NODE_BINDING, Kind.REVOCATION)
