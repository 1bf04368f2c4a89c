"""The scenario `partition`: ten minutes in two halves that cannot reach each other, then one network again."""

import time
from dataclasses import dataclass
from random import Random

from ..networks import shipped_network
from .measures import NEVER
from .plan import Figures, Traffic, figures_of, start_traffic, topics_of
from .siege import draw_bootstraps
from .wire import Endpoint
from .world import World

CUT_S, HEALED_S, SECONDS = 60.0, 660.0, 900.0
TRAFFIC = Traffic(first_s=20.0, end_s=840.0, sizes=((2 * 1_024, 100),))
BOOTSTRAPS = 3


@dataclass(frozen=True, slots=True)
class Partition:
    """`healed_s` is how long after the healing everything from before was everywhere; None if it never was."""

    nodes: int
    healed_s: float | None
    crossing_links: int
    figures: Figures
    wall_s: float


def run_partition(nodes: int, seed: int) -> Partition:
    """Publishers on both sides go on all the time; delays are of frames that were published while there was one
    network."""
    began_s = time.perf_counter()
    world = World(shipped_network("devnet"), seed, nodes)
    topics = topics_of(world, shard=TRAFFIC.shard)
    random = Random(f"{seed}/bootstrap")
    for _ in range(nodes):
        world.add_node(topics, start=False)
    for node, known in zip(world.nodes, draw_bootstraps(nodes, BOOTSTRAPS, random), strict=True):
        world.introduce(node, [world.nodes[number] for number in known])
        world.clock.at(int(random.random() * 5e6), node.start)
    side = {node.node_id: node.number % 2 for node in world.nodes}

    def apart(one: Endpoint, other: Endpoint) -> bool:
        return side[one.node_id] != side[other.node_id]

    world.clock.at(int(CUT_S * 1e6), world.cut, apart)
    world.clock.at(int(HEALED_S * 1e6), world.heal)
    start_traffic(world, TRAFFIC)
    world.run_until(HEALED_S - 1)
    crossing = sum([apart(link.dialler, link.acceptor) for node in world.nodes for link in node.peering.links.values()])
    world.run_until(SECONDS)
    outside = [s for s in world.measures.samples if not CUT_S * 1e6 - 5e6 <= s.published_us < HEALED_S * 1e6 + 60e6]
    return Partition(nodes, _healed_s(world), crossing, figures_of(world, outside), time.perf_counter() - began_s)


def _healed_s(world: World) -> float | None:
    latest_us = 0
    for sample in world.measures.samples:
        if sample.published_us < HEALED_S * 1e6:
            delays = world.measures.delays_us(sample)
            if NEVER in delays:
                return None
            latest_us = max(latest_us, sample.published_us + max(delays))
    return max(0.0, latest_us / 1e6 - HEALED_S)
