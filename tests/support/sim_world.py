"""Small simulated worlds, and a plain end of a connection that writes down what it is told."""

from collections.abc import Sequence
from typing import Any

from pushmesh_node.gossip.effects import Lane
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.sim.clock import Clock
from pushmesh_node.lab.sim.conditions import Conditions, NetworkConditions
from pushmesh_node.lab.sim.lines import Line, Paths
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.plan import topics_of
from pushmesh_node.lab.sim.traffic import Author, Publisher, new_author
from pushmesh_node.lab.sim.wire import WINDOW_BYTES, Link, Sent
from pushmesh_node.lab.sim.world import World

NETWORK = shipped_network("devnet")
LOSSLESS = NetworkConditions(loss=0.0)
BOUNDS = (1_024, 8 * 1024 * 1024)


class Ear:
    """Obeys `Endpoint`: lets everybody in and keeps what arrives, with its time."""

    def __init__(self, name: int, clock: Clock, network: NetworkConditions = LOSSLESS) -> None:
        self.node_id = bytes([name]) * 32
        self.host = f"30.0.{name}.1"
        self.up = Line(network.up_bits_per_s)
        self.down = Line(network.down_bits_per_s)
        self.heard: list[tuple[int, Any]] = []
        self.ends: list[tuple[int, str]] = []
        self.links: list[Link] = []
        self.refuses: str | None = None
        self.deaf_to: set[object] = set()
        self.is_reading = True
        self.takes_bytes = WINDOW_BYTES
        self.wrote_bytes = 0
        self._clock = clock

    @property
    def words(self) -> list[Any]:
        return [word for _, word in self.heard]

    def enter(self, host: str, *, outbound: bool) -> str | None:
        return self.refuses

    def shaken(self, host: str) -> None:
        """Counts nothing."""

    def leave(self, host: str, *, outbound: bool = False) -> None:
        """Counts nothing."""

    def accepts(self, link: Link) -> str | None:
        return None

    def opened(self, link: Link) -> None:
        self.links.append(link)

    def window_bytes(self, peer: bytes) -> int:
        return self.takes_bytes

    def ignores(self, payload: object) -> bool:
        return payload in self.deaf_to

    def received(self, link: Link, batch: Sequence[Sent], overhead_bytes: int) -> None:
        self.heard += [(self._clock.now_us, sent.payload) for sent in batch]
        if self.is_reading:
            link.way_from(link.other(self)).read(sum([sent.size_bytes for sent in batch]))

    def wrote(self, size_bytes: int) -> None:
        self.wrote_bytes += size_bytes

    def closed(self, link: Link, reason: str) -> None:
        self.ends.append((self._clock.now_us, reason))


def a_link(clock: Clock, paths: Paths, one: Ear, other: Ear, bounds: tuple[int, int] = BOUNDS) -> Link:
    drops: list[Lane] = []
    return Link(one, other, clock, paths, bounds, drops.append)


def a_world(nodes: int, *, seed: int = 1, connected: bool = True, **changes: Any) -> World:
    """Nodes on one shard, each connected to all others unless told."""
    world = World(NETWORK, seed, nodes, Conditions(**changes))
    topics = topics_of(world, shard=0)
    for _ in range(nodes):
        world.add_node(topics)
    if connected:
        for node in world.nodes:
            for other in world.nodes[: node.number]:
                world.connect(node, other)
    return world


def a_publisher(world: World) -> tuple[Publisher, Author]:
    """One whose author all nodes know."""
    author = new_author(NETWORK, "an author", world.clock.unix_ms, shard=0)
    world.preload([author])
    return Publisher(NETWORK, [author], world.random), author


def publish(world: World, publisher: Publisher, node: SimNode, size_bytes: int = 2_048) -> None:
    _, parts, size = publisher.frame_of(size_bytes, world.clock.unix_ms)
    world.publish(node, parts, size)


def delivered(world: World) -> float:
    wanted, there = world.measures.wanted_items()
    return there / wanted
