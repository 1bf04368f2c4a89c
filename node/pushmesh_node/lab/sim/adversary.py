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
from random import Random

from msgspec.structs import replace

from ...gossip.effects import Lane
from ...gossip.wire.framing import frame
from ...gossip.wire.rpc import Rpc, RpcError, Subscription
from ...gossip.wire.rpc_wire import decode, encode
from ...sync.words import Answer, Compare, Differ, Hello, Question, Sorry
from .node import SimNode
from .records import address_of
from .sybil import Garbage, Sybil
from .wire import Link, Payload
from .world import World

SEEN_KEPT = 4_096
PER_SUBNET = 250


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
