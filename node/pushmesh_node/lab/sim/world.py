"""A simulated world: clock, network, honest nodes, and whoever else connects to them.

Everything is a function of the seed: the same seed gives the same events in the same order on every machine."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from random import Random

from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Network

from ...gossip.effects import Lane
from ...gossip.parameters import RouterParameters
from ...ipc import Settings
from ...peer.hosts import Address
from .carriage import Carriage
from .clock import Clock
from .conditions import Conditions
from .lines import Paths
from .measures import Measures
from .node import SimNode
from .records import address_of
from .sense import SharedSense
from .traffic import Author
from .wire import Endpoint, Link

EPOCHS = 5_000
"""Virtual time begins in the middle of this epoch of the network."""

Answered = Callable[[Link | None], None]


class World:
    """`nodes` is how many honest nodes there will be at most; `add_node` makes each."""

    def __init__(
        self,
        network: Network,
        seed: int,
        nodes: int,
        conditions: Conditions | None = None,
        parameters: RouterParameters | None = None,
    ) -> None:
        self.network = network
        self.seed = seed
        self.conditions = conditions or Conditions()
        self.parameters = parameters or RouterParameters()
        epoch_ms = network.epoch_length_ms
        self.clock = Clock(network.epoch_origin_ms + EPOCHS * epoch_ms + epoch_ms // 2)
        self.sense = SharedSense(network)
        self.measures = Measures(nodes)
        self.carriage = Carriage(self.sense)
        self.paths = Paths(self.conditions.network, seed)
        self.random = Random(f"{seed}/world")
        self.nodes: list[SimNode] = []
        self.dropped = {lane: 0 for lane in Lane}
        """Payloads that found no room in the queue of a connection, by lane."""

        self.is_cut: Callable[[Endpoint, Endpoint], bool] = _never
        """Whether there is no path between two; who dials waits in vain."""

        self._endpoints: dict[bytes, Endpoint] = {}

    # Who is there

    def add_node(self, topics: Iterable[str], settings: Settings | None = None, *, start: bool = True) -> SimNode:
        """One more honest node, in a /24 of its own."""
        number = len(self.nodes)
        node = SimNode(
            self,
            number,
            self.identity(f"node/{number}"),
            honest_host(number),
            settings or Settings(),
            frozenset(topics),
        )
        self.nodes.append(node)
        self.measures.honest[node.node_id] = number
        self.add_endpoint(node)
        if start:
            node.start()
        return node

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """From now on it can be dialled."""
        self._endpoints[endpoint.node_id] = endpoint

    def endpoint(self, node_id: bytes) -> Endpoint | None:
        """Who has this id."""
        return self._endpoints.get(node_id)

    def identity(self, name: str) -> bytes:
        """The node id of a name in this world."""
        return sha256(f"{self.seed}/{name}".encode()).digest()

    # Connections

    def dial(self, source: Endpoint, address: Address, answered: Answered) -> None:
        """Try to connect; `answered` is told the link, open at both ends, or None."""
        assert address.node_id is not None
        refused = source.enter(address.host, outbound=True)
        target = self._endpoints.get(address.node_id)
        if refused is not None:
            self.clock.after(0, answered, None)
            return

        def failed(_: None = None) -> None:
            source.leave(address.host, outbound=True)
            answered(None)

        network = self.conditions.network
        if target is None or target.host != address.host or target is source or self.is_cut(source, target):
            self.clock.after(network.dial_timeout_ms * 1_000, failed)
            return
        latency_us = self.paths.latency_us(source.node_id, target.node_id)

        def arrive() -> None:
            if target.enter(source.host, outbound=False) is not None:
                self.clock.after(latency_us, failed)
                return
            handshake_us = int(network.handshake_round_trips * 2 * latency_us) - latency_us
            self.clock.after(max(0, handshake_us), shake)

        def shake() -> None:
            target.shaken(source.host)
            link = self._link(source, target)
            if target.accepts(link) is not None or source.accepts(link) is not None:
                target.leave(source.host, outbound=False)
                failed()
                return
            self._open(link)
            answered(link)

        self.clock.after(latency_us, arrive)

    def connect(self, source: Endpoint, target: Endpoint) -> Link:
        """An open connection at once, without a dial: how a scenario begins. Raises ValueError where a gate is shut."""
        for end, other, outbound in ((source, target, True), (target, source, False)):
            refused = end.enter(other.host, outbound=outbound)
            if refused is not None:
                raise ValueError(f"the gate says {refused}")
        target.shaken(source.host)
        link = self._link(source, target)
        self._open(link)
        return link

    def cut(self, is_cut: Callable[[Endpoint, Endpoint], bool]) -> None:
        """Break the paths between some; both ends of a connection learn of it by pings that nobody answers."""
        self.is_cut = is_cut
        settings = Settings()
        noticed_us = (settings.ping_misses * settings.ping_interval_ms + settings.ping_timeout_ms) * 1_000
        for node in self.nodes:
            for link in list(node.peering.links.values()):
                if is_cut(link.dialler, link.acceptor):
                    link.is_cut = True
                    self.clock.after(int((0.5 + self.random.random() / 2) * noticed_us), link.close, node, "silent")

    def heal(self) -> None:
        """All paths are there again, for new connections."""
        self.is_cut = _never

    def _link(self, dialler: Endpoint, acceptor: Endpoint) -> Link:
        settings = Settings()
        bounds = (settings.outbound_queue_rpcs, settings.outbound_queue_bytes)
        return Link(dialler, acceptor, self.clock, self.paths, bounds, self._drop)

    def _open(self, link: Link) -> None:
        link.acceptor.opened(link)
        link.dialler.opened(link)

    def _drop(self, lane: Lane) -> None:
        self.dropped[lane] += 1

    # What nodes know and say

    def introduce(self, node: SimNode, others: Iterable[Endpoint]) -> None:
        """Bootstrap addresses of a node."""
        node.peering.know([address_of(other) for other in others], bootstrap=True)

    def preload(self, authors: Sequence[Author]) -> None:
        """All nodes know these authors' grants from before."""
        parts = [Part((author.grant,)) for author in authors]
        for node in self.nodes:
            node.preload(parts)

    def publish(
        self, node: SimNode, parts: Sequence[Part], size_bytes: int, expected: frozenset[int] | None = None
    ) -> None:
        """A publisher hands an honest frame to a node, and it is watched from now on."""
        ids = [envelope.id for part in parts for envelope in part.envelopes]
        self.measures.expect(ids, self.clock.now_us, node.number, size_bytes, expected)
        self.carriage.expect(ids)
        node.publish(parts)

    def run_until(self, second: float) -> None:
        """Let the world go on to this virtual second."""
        self.clock.run_until(int(second * 1e6))


def _never(one: Endpoint, other: Endpoint) -> bool:
    return False


def honest_host(number: int) -> str:
    """A public address of its own /24 for each honest node."""
    return f"20.{number // 250}.{number % 250 + 1}.7"
