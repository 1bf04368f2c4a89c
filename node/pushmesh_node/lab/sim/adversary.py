"""Adversaries: an actor with many cheap identities that connects, listens and lies. No sybil has a router of its own.

An adversary sees the whole world and its honest nodes' addresses. It may give its sybils any hosts, connect them to any
node as far as that node's gate lets it, and send any bytes that its own lines carry; it cannot cut honest connections,
read the node's memory through its hooks' arguments, or sign with keys that are not its own. Like any node a sybil has
a bounded send queue for each connection and a line of the world's bandwidth.

    @attack("shout", "sybils announce frames that do not exist")
    class Shout(Adversary):
        def prepare(self) -> None:                      # before the world runs: make sybils, on hosts of your choice
            self.add_sybils(self.count, per_host=5)

        def begin(self) -> None:                        # the attack begins: connect them wherever they are let in
            for number, sybil in enumerate(self.sybils):
                self.connect(sybil, self.world.nodes[number % len(self.world.nodes)])

        def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
            self.join_topics(sybil, victim)             # else nobody grafts it

        def on_rpc(self, sybil: Sybil, victim: SimNode, rpc: Rpc) -> None:
            if rpc.graft:                               # whatever honest frames it heard are in `self.seen`
                sybil.send(victim, Rpc(ihave=(IHave(rpc.graft[0].topic, (self.random.randbytes(20),)),)))
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from ...gossip.effects import Lane
from ...gossip.wire.framing import frame
from ...gossip.wire.rpc import Message, Rpc, RpcError, Subscription
from ...gossip.wire.rpc_wire import decode, encode
from ...sync.words import Answer, Compare, Differ, Hello, Question, Sorry
from .node import SimNode
from .records import address_of
from .terrain import PLAIN, Terrain
from .wire import WINDOW_BYTES, Line, Link, Payload, Sent
from .world import World

BEGIN_S, END_S = 60.0, 180.0
"""When an attack lasts, unless it says otherwise."""

SEEN_KEPT = 4_096
PER_SUBNET = 250


class Garbage(NamedTuple):
    """Bytes that are no RPC; who receives them hangs up."""

    why: str


class Sybil:
    """Obeys `Endpoint`; all it does is tell its adversary, which also decides whose dials it answers."""

    def __init__(self, adversary: "Adversary", node_id: bytes, host: str) -> None:
        network = adversary.world.conditions.network
        self.node_id = node_id
        self.host = host
        self.up = Line(network.up_bits_per_s)
        self.down = Line(network.down_bits_per_s)
        self.links: dict[bytes, Link] = {}
        self._adversary = adversary

    def send(self, victim: SimNode, rpc: Rpc, lane: Lane = Lane.DATA) -> bool:
        """Queue an RPC; False if there is no connection. What would not decode arrives as the garbage that it is."""
        payload, size = self._adversary.encoded(rpc)
        return self.say(victim, payload, size, lane)

    def publish(self, victim: SimNode, topic: str, data: bytes) -> bool:
        """Send one frame."""
        return self.send(victim, Rpc(messages=(Message(topic, data),)))

    def say(self, victim: SimNode, payload: Payload, size_bytes: int, lane: Lane = Lane.DATA) -> bool:
        """Queue anything else, such as a word of sync."""
        link = self.links.get(victim.node_id)
        if link is None:
            return False
        link.way_from(self).push(payload, size_bytes, lane)
        return True

    def hang_up(self, victim: SimNode) -> None:
        """End the connection, if there is one."""
        link = self.links.get(victim.node_id)
        if link is not None:
            link.close(self, "attack")

    # Endpoint

    def enter(self, host: str, *, outbound: bool) -> str | None:
        """See `Endpoint`."""
        return None

    def shaken(self, host: str) -> None:
        """See `Endpoint`."""

    def leave(self, host: str, *, outbound: bool) -> None:
        """See `Endpoint`."""

    def accepts(self, link: Link) -> str | None:
        """See `Endpoint`."""
        peer = link.other(self)
        if peer.node_id in self.links:
            return "busy"
        if isinstance(peer, SimNode) and link.dialler is peer and not self._adversary.lets_in(self, peer):
            return "unwilling"
        return None

    def opened(self, link: Link) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        self.links[victim.node_id] = link
        if self._adversary.is_over:
            link.close(self, "attack")  # it was dialled before
        elif isinstance(victim, SimNode):
            self._adversary.on_connected(self, victim)

    def window_bytes(self, peer: bytes) -> int:
        """See `Endpoint`."""
        return WINDOW_BYTES

    def ignores(self, payload: Payload) -> bool:
        """See `Endpoint`."""
        return self._adversary.ignores(payload)

    def received(self, link: Link, batch: Sequence[Sent], overhead_bytes: int) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        link.way_from(victim).read(sum([sent.size_bytes for sent in batch]))
        if isinstance(victim, SimNode):
            for sent in batch:
                self._adversary.heard(self, victim, sent.payload)

    def wrote(self, size_bytes: int) -> None:
        """See `Endpoint`: its computer costs nothing."""

    def closed(self, link: Link, reason: str) -> None:
        """See `Endpoint`."""
        victim = link.other(self)
        self.links.pop(victim.node_id, None)
        if isinstance(victim, SimNode):
            self._adversary.on_disconnected(self, victim, reason)


class Adversary:
    """Override the hooks; `count` is how many sybils the scenario grants."""

    tick_ms = 1_000
    """`tick` comes so often while the attack lasts."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.count = count
        self.random = Random(f"{world.seed}/adversary")
        self.sybils: list[Sybil] = []
        self.seen: dict[bytes, str] = {}
        """Honest frames that any sybil was sent, with their topics, in order; the oldest is forgotten first."""

        self.active = False
        self.is_over = False
        self.topics: Sequence[str] = ()
        """The gossip topics that honest nodes take part in; the first carries the traffic."""

        self.publishers: Sequence[SimNode] = ()
        """Where honest publishers hand in their frames."""

        self._encoded: dict[int, tuple[Rpc, Payload, int]] = {}

    # Hooks

    def prepare(self) -> None:
        """Before the world runs. By default all sybils are made, each in a /24 of its own."""
        self.add_sybils(self.count)

    def begin(self) -> None:
        """The attack begins."""

    def tick(self) -> None:
        """Time passed."""

    def end(self) -> None:
        """The attack is over: by default every sybil hangs up, and none comes back."""
        for sybil in self.sybils:
            for link in list(sybil.links.values()):
                link.close(sybil, "attack")

    def lets_in(self, sybil: Sybil, victim: SimNode) -> bool:
        """Whether the sybil takes a connection that the victim dialled: by default until the attack is over."""
        return not self.is_over

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        """A connection stands, whoever dialled it. By default the sybil joins the topics like anybody."""
        self.join_topics(sybil, victim)

    def on_refused(self, sybil: Sybil, victim: SimNode) -> None:
        """A dial of this sybil did not come through."""

    def on_disconnected(self, sybil: Sybil, victim: SimNode, reason: str) -> None:
        """A connection is gone; reason `remote` says that the victim hung up."""

    def on_rpc(self, sybil: Sybil, victim: SimNode, rpc: Rpc) -> None:
        """A victim sent an RPC."""

    def ignores(self, payload: Payload) -> bool:
        """Whether no hook needs to hear of it: what nobody waits for costs the simulator much, and nothing else."""
        return False

    def on_ask(self, sybil: Sybil, victim: SimNode, ask: Hello | Question) -> None:
        """A victim asks what this sybil has: by default nothing at all."""
        if isinstance(ask, Hello):
            sybil.say(victim, replace(ask, ask=False), 128)
        elif isinstance(ask, Compare):
            sybil.say(victim, Differ([]), 16)

    def on_answer(self, sybil: Sybil, victim: SimNode, word: Hello | Answer | Sorry) -> None:
        """A victim answered a question of this sybil."""

    # What it can do

    def add_sybil(self, host: str | None = None) -> Sybil:
        """One more identity, at a host of its own unless told."""
        number = len(self.sybils)
        sybil = Sybil(self, self.world.identity(f"sybil/{number}"), host or sybil_host(number))
        self.sybils.append(sybil)
        self.world.add_endpoint(sybil)
        return sybil

    def add_sybils(self, count: int, per_host: int = 1) -> None:
        """So many identities, each so many at one host; every host is in a /24 of its own."""
        first = len(self.sybils)
        for number in range(count):
            self.add_sybil(sybil_host(first + number // per_host))

    def connect(self, sybil: Sybil, victim: SimNode) -> None:
        """Dial; `on_connected` or `on_refused` follows."""

        def answered(link: Link | None) -> None:
            if link is None:
                self.on_refused(sybil, victim)

        self.world.dial(sybil, address_of(victim), answered)

    def connect_all(self, victims: Iterable[SimNode], per_victim: int) -> None:
        """So many different sybils dial each victim, all of them in turn."""
        place = 0
        for victim in victims:
            for _ in range(min(per_victim, len(self.sybils))):
                self.connect(self.sybils[place % len(self.sybils)], victim)
                place += 1

    def join_topics(self, sybil: Sybil, victim: SimNode) -> None:
        """Tell a victim that this sybil takes part in all that it does."""
        sybil.send(victim, Rpc(subscriptions=tuple([Subscription(True, topic) for topic in self.topics])), Lane.CONTROL)

    def victims_of(self, sybil: Sybil) -> list[SimNode]:
        """The honest nodes that this sybil is connected to."""
        found = [self.world.endpoint(node_id) for node_id in sybil.links]
        return [victim for victim in found if isinstance(victim, SimNode)]

    def every(self, interval_ms: int, action: Callable[[], None]) -> None:
        """Call it again and again while the attack lasts."""

        def step() -> None:
            if self.active:
                action()
                self.world.clock.after(interval_ms * 1_000, step)

        self.world.clock.after(interval_ms * 1_000, step)

    # What the world and its sybils call

    def heard(self, sybil: Sybil, victim: SimNode, payload: Payload) -> None:
        """Something came in."""
        if isinstance(payload, Rpc):
            for message in payload.messages:
                self.seen[message.data] = message.topic
                if len(self.seen) > SEEN_KEPT:
                    del self.seen[next(iter(self.seen))]
            self.on_rpc(sybil, victim, payload)
        elif isinstance(payload, Question) or (isinstance(payload, Hello) and payload.ask):
            self.on_ask(sybil, victim, payload)
        elif isinstance(payload, Hello | Answer | Sorry):
            self.on_answer(sybil, victim, payload)

    def encoded(self, rpc: Rpc) -> tuple[Payload, int]:
        """An RPC as it will be read, with its size on the wire."""
        found = self._encoded.get(id(rpc))
        if found is None or found[0] is not rpc:
            body = encode(rpc)
            payload: Payload
            try:
                payload = decode(body)
            except RpcError as error:
                payload = Garbage(str(error))
            if len(self._encoded) > 256:
                self._encoded.clear()
            found = self._encoded[id(rpc)] = (rpc, payload, len(frame(body)))
        return found[1:]

    def attack_from(self, begin_s: float, end_s: float) -> None:
        """Order the window of the attack."""

        def begin() -> None:
            self.active = True
            self.begin()
            self.every(self.tick_ms, self.tick)

        def end() -> None:
            self.active, self.is_over = False, True
            self.end()

        self.prepare()
        self.world.clock.at(int(begin_s * 1e6), begin)
        self.world.clock.at(int(end_s * 1e6), end)


def sybil_host(number: int) -> str:
    """A public address of its own /24."""
    return f"45.{number // PER_SUBNET}.{number % PER_SUBNET + 1}.9"


Make = TypeVar("Make", bound=type[Adversary])


@dataclass(frozen=True, slots=True)
class Attack:
    """One scenario. `own_protocol`: of our own protocol, so that no honest node may be blamed at all. `bootstraps` are
    the honest addresses that each honest node knows, `publishers` how many nodes publish (None: all of them), `begin_s`
    is when the attack begins; `is_long`: its run takes so long that it had better begin before others."""

    name: str
    about: str
    make: Callable[[World, int], Adversary]
    own_protocol: bool = False
    bootstraps: int = 3
    publishers: int | None = None
    begin_s: float = BEGIN_S
    terrain: Terrain = PLAIN
    is_long: bool = False


ATTACKS: dict[str, Attack] = {}
"""Every attack by name, in the order in which the modules of `attacks` register them."""


def attack(
    name: str,
    about: str,
    *,
    own_protocol: bool = False,
    bootstraps: int = 3,
    publishers: int | None = None,
    begin_s: float = BEGIN_S,
    terrain: Terrain = PLAIN,
    is_long: bool = False,
) -> Callable[[Make], Make]:
    """Register an adversary under a name."""

    def register(make: Make) -> Make:
        ATTACKS[name] = Attack(name, about, make, own_protocol, bootstraps, publishers, begin_s, terrain, is_long)
        return make

    return register


__all__ = ["ATTACKS", "Adversary", "Attack", "Garbage", "Sybil", "attack", "sybil_host"]
