"""The scenario `propagation`: how fast and at what price frames reach a thousand nodes."""

import time
from dataclasses import dataclass, replace
from random import Random

from ...gossip.parameters import RouterParameters
from ...gossip.wire.dialects import Dialect
from ..networks import shipped_network
from .conditions import Conditions
from .plan import Figures, Traffic, figures_of, start_traffic, topics_of
from .world import World

CONNECTIONS = 20
SECONDS, FIRST_S, LAST_S = 60.0, 5.0, 55.0
SIZES = Traffic(0, 0).sizes


@dataclass(frozen=True, slots=True)
class Propagation:
    """The figures, and how long the machine took."""

    nodes: int
    d: int
    dialect: Dialect
    figures: Figures
    mean_degree: float
    wall_s: float
    events: int


def run_propagation(
    nodes: int,
    seed: int,
    *,
    d: int | None = None,
    connections: int = CONNECTIONS,
    dialect: Dialect = Dialect.PUSHMESH,
) -> Propagation:
    """A random graph in which each node has so many connections; sync is off, so that gossip alone is measured."""
    began_s = time.perf_counter()
    parameters = with_degree(RouterParameters(), d)
    conditions = Conditions(sync=False, dialect=dialect)
    world = World(shipped_network("devnet"), seed, nodes, conditions, parameters)
    traffic = Traffic(FIRST_S, LAST_S)
    topics = topics_of(world, shard=traffic.shard)
    for _ in range(nodes):
        world.add_node(topics)
    connect_ring(world, connections)
    start_traffic(world, traffic)
    events = world.clock.run_until(int(SECONDS * 1e6))
    degrees = [len(node.mesh(topics[0])) for node in world.nodes]
    return Propagation(
        nodes,
        parameters.mesh.d,
        dialect,
        figures_of(world),
        sum(degrees) / len(degrees),
        time.perf_counter() - began_s,
        events,
    )


def connect_ring(world: World, connections: int) -> None:
    """The union of random rings over all nodes: each node dialled half of its connections, and none twice."""
    random = Random(f"{world.seed}/rings")
    linked: set[frozenset[int]] = set()
    for _ in range(min(connections // 2, (len(world.nodes) - 1) // 2)):
        order = list(range(len(world.nodes)))
        random.shuffle(order)
        for place, number in enumerate(order):
            pair = frozenset((number, order[place - 1]))
            if pair not in linked:
                linked.add(pair)
                world.connect(world.nodes[number], world.nodes[order[place - 1]])


def with_degree(parameters: RouterParameters, d: int | None) -> RouterParameters:
    """The mesh degree D with the bounds that go with it, in the proportions of the defaults."""
    if d is None:
        return parameters
    mesh = replace(parameters.mesh, d=d, d_low=d - 1, d_high=d + 2, d_score=max(1, d - 2), d_out=min(2, d // 2))
    return replace(parameters, mesh=mesh)
