"""One router and what is told to it, in few words; time moves only by `later` and `beat`."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from pushmesh_node.gossip.effects import Count, Effect, SendRpc
from pushmesh_node.gossip.events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    Published,
    RpcReceived,
    Subscribed,
)
from pushmesh_node.gossip.parameters import MeshParameters, RouterLimits, RouterParameters, ScoreParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import ExchangedPeer, Graft, IHave, Message, Prune, Rpc, Subscription
from pushmesh_protocol.reasons import Verdict

T, U = "/t", "/u"
A, B, C, D = (name * 32 for name in (b"a", b"b", b"c", b"d"))
DATA = b"data"
MESH = MeshParameters(d=6, d_low=4, d_high=10, d_score=4, d_out=2, d_lazy=6, gossip_factor=0.34, gossip_heartbeats=3)
"""So that tests need not follow the defaults."""
ID = message_id(T, DATA)


def crowd(n: int) -> list[bytes]:
    """So many node ids, none of them A to D."""
    return [n.to_bytes(32, "big") for n in range(1, n + 1)]


def counts(effects: Iterable[Effect]) -> dict[tuple[str, str], int]:
    """What was counted."""
    found: dict[tuple[str, str], int] = {}
    for effect in effects:
        if isinstance(effect, Count):
            found[effect.name, effect.label] = found.get((effect.name, effect.label), 0) + effect.n
    return found


def sent(effects: Iterable[Effect]) -> list[SendRpc]:
    """What goes out."""
    return [effect for effect in effects if isinstance(effect, SendRpc)]


def sent_to(effects: Iterable[Effect], peer: bytes) -> Rpc:
    """All that goes to one peer, as if it were one RPC."""
    rpcs = [effect.rpc for effect in sent(effects) if effect.peer == peer]
    return Rpc(*(tuple(part for rpc in rpcs for part in getattr(rpc, name)) for name in Rpc.__struct_fields__))


def hearers(effects: Iterable[Effect], one: bytes = ID) -> list[bytes]:
    """Whom a message goes to, in order."""
    return [
        effect.peer
        for effect in sent(effects)
        if any(message_id(message.topic, message.data) == one for message in effect.rpc.messages)
    ]


class RouterWorld:
    """Takes part in `topics`; everything else is default unless it is given."""

    def __init__(
        self,
        *,
        topics: Iterable[str] = (T,),
        mesh: MeshParameters | None = None,
        score: ScoreParameters | None = None,
        limits: RouterLimits | None = None,
        direct: Iterable[bytes] = (),
        seed: int = 1,
    ) -> None:
        self.parameters = RouterParameters()
        self.parameters = replace(
            self.parameters,
            mesh=mesh or MESH,
            score=score or self.parameters.score,
            limits=limits or self.parameters.limits,
            direct=frozenset(direct),
        )
        self.router = Router(self.parameters, Random(seed))
        self.now_ms = 1_000_000
        self.do(Subscribed(frozenset(topics)))

    def do(self, event: Event) -> list[Effect]:
        """The effects of one event now."""
        return self.router.handle(event, self.now_ms)

    def later(self, ms: int) -> None:
        """Time passes."""
        self.now_ms += ms

    def beat(self, n: int = 1) -> list[Effect]:
        """So many heartbeats, each at its time; the effects of all."""
        effects: list[Effect] = []
        for _ in range(n):
            self.later(self.parameters.mesh.heartbeat_ms)
            effects += self.do(Heartbeat())
        return effects

    def connect(
        self,
        *names: bytes,
        outbound: bool = False,
        dialect: Dialect = Dialect.V1_1,
        topics: Iterable[str] = (T,),
        host: str = "",
    ) -> list[Effect]:
        """Peers that take part in topics."""
        effects: list[Effect] = []
        for name in names:
            effects += self.do(PeerConnected(name, outbound, dialect, host))
            effects += self.rpc(name, subscriptions=tuple(Subscription(True, topic) for topic in topics))
        return effects

    def meshed(self, *names: bytes, dialect: Dialect = Dialect.V1_1) -> None:
        """Peers that are in the mesh of T by their own GRAFT."""
        for name in names:
            self.connect(name, dialect=dialect)
            self.graft(name)
        assert set(names) <= self.router.mesh_of(T)

    def rpc(
        self,
        name: bytes,
        *,
        subscriptions: tuple[Subscription, ...] = (),
        messages: tuple[Message, ...] = (),
        ihave: tuple[IHave, ...] = (),
        iwant: tuple[bytes, ...] = (),
        graft: tuple[Graft, ...] = (),
        prune: tuple[Prune, ...] = (),
        idontwant: tuple[bytes, ...] = (),
        choke: tuple[str, ...] = (),
        unchoke: tuple[str, ...] = (),
    ) -> list[Effect]:
        """An RPC of a peer."""
        return self.do(
            RpcReceived(name, Rpc(subscriptions, messages, ihave, iwant, graft, prune, idontwant, choke, unchoke)),
        )

    def message(self, name: bytes, data: bytes = DATA, topic: str = T) -> list[Effect]:
        """A message of a peer."""
        return self.rpc(name, messages=(Message(topic, data),))

    def graft(self, name: bytes, topic: str = T) -> list[Effect]:
        """A GRAFT of a peer."""
        return self.rpc(name, graft=(Graft(topic),))

    def prune(
        self, name: bytes, topic: str = T, peers: tuple[ExchangedPeer, ...] = (), backoff_s: int = 0
    ) -> list[Effect]:
        """A PRUNE of a peer."""
        return self.rpc(name, prune=(Prune(topic, peers, backoff_s),))

    def announce(self, name: bytes, *ids: bytes, topic: str = T) -> list[Effect]:
        """An IHAVE of a peer."""
        return self.rpc(name, ihave=(IHave(topic, ids),))

    def judge(
        self, verdict: Verdict, reason: str = "", *, data: bytes = DATA, topic: str = T, new_bytes: int = 0
    ) -> list[Effect]:
        """A verdict on a message."""
        return self.do(Judged(message_id(topic, data), verdict, reason, new_bytes))

    def accepted(self, name: bytes, data: bytes = DATA, topic: str = T, new_bytes: int = 0) -> list[Effect]:
        """A message of a peer that is accepted at once: the effects of that."""
        self.message(name, data, topic)
        return self.judge(Verdict.ACCEPT, data=data, topic=topic, new_bytes=new_bytes)

    def publish(self, data: bytes = DATA, topic: str = T) -> list[Effect]:
        """An own message."""
        return self.do(Published(topic, data))

    def reject_from(self, name: bytes, n: int = 1) -> list[Effect]:
        """A peer sends so many messages that are REJECTed."""
        effects: list[Effect] = []
        for at in range(n):
            data = b"bad %d of " % at + name
            effects += self.message(name, data)
            effects += self.judge(Verdict.REJECT, "malformed", data=data)
        return effects


def meshed(*names: bytes) -> RouterWorld:
    """A world with these peers in the mesh of T."""
    world = RouterWorld()
    world.meshed(*names)
    return world
