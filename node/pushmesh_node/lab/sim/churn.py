"""The scenario `churn`: nodes leave, come back, and new ones join, while notifications go on."""

import time
from dataclasses import dataclass, replace
from random import Random

from ..networks import shipped_network
from .measures import NEVER
from .node import SimNode
from .plan import Figures, Traffic, figures_of, start_traffic, topics_of
from .world import World

SECONDS = 300.0
TRAFFIC = Traffic(first_s=20.0, end_s=260.0, sizes=((2 * 1_024, 80), (16 * 1_024, 20)))
FIRST_LEAVES_S, LAST_LEAVES_S = 40.0, 200.0
AWAY_S = (5.0, 40.0)
BOOTSTRAPS = 3
NEWCOMERS = 0.25
"""Of all nodes: those that join for the first time while others leave."""


@dataclass(frozen=True, slots=True)
class Churn:
    """Every node that runs at the end must hold everything. Delays are those of nodes that ran from a frame's
    publication until it reached them; what reached a node that was away in between is `away_fraction` of all."""

    nodes: int
    departures: int
    newcomers: int
    away_fraction: float
    figures: Figures
    wall_s: float


def run_churn(nodes: int, seed: int) -> Churn:
    """Of the nodes that are there from the beginning four in five leave once, and all come back."""
    began_s = time.perf_counter()
    world = World(shipped_network("devnet"), seed, nodes)
    random = Random(f"{seed}/churn")
    topics = topics_of(world, shard=TRAFFIC.shard)
    away: dict[int, list[tuple[int, int]]] = {number: [] for number in range(nodes)}
    newcomers = int(nodes * NEWCOMERS)
    for _ in range(nodes):
        world.add_node(topics, start=False)
    for node in world.nodes:
        late = node.number >= nodes - newcomers
        first_s = random.uniform(FIRST_LEAVES_S, LAST_LEAVES_S) if late else random.uniform(0, 5)
        away[node.number].append((0, int(first_s * 1e6)))
        settled = [other for other in world.nodes[: nodes - newcomers] if other is not node]
        world.introduce(node, random.sample(settled, min(BOOTSTRAPS, len(settled))))
        world.clock.at(int(first_s * 1e6), node.start)
    departures = 0
    for node in world.nodes[: nodes - newcomers]:
        if random.random() < 0.8:
            departures += 1
            _leave_and_return(world, node, random, away)
    start_traffic(world, TRAFFIC, sources=lambda: [node for node in world.nodes if node.is_running])
    world.run_until(SECONDS)
    figures, away_fraction = _figures(world, away)
    return Churn(nodes, departures, newcomers, away_fraction, figures, time.perf_counter() - began_s)


def _leave_and_return(world: World, node: SimNode, random: Random, away: dict[int, list[tuple[int, int]]]) -> None:
    left_us = int(random.uniform(FIRST_LEAVES_S, LAST_LEAVES_S) * 1e6)
    back_us = left_us + int(random.uniform(*AWAY_S) * 1e6)
    world.clock.at(left_us, node.stop)
    world.clock.at(back_us, node.start)
    away[node.number].append((left_us, back_us))


def _figures(world: World, away: dict[int, list[tuple[int, int]]]) -> tuple[Figures, float]:
    """Without the delays of nodes that were away between publication and arrival; and their share."""
    present: list[float] = []
    late = 0
    for sample in world.measures.samples:
        numbers = [number for number in range(len(world.nodes)) if number != sample.publisher]
        for number, delay in zip(numbers, world.measures.delays_us(sample), strict=True):
            if delay == NEVER:
                continue
            there_us = sample.published_us + delay
            if any(left <= there_us and back >= sample.published_us for left, back in away[number]):
                late += 1
            else:
                present.append(delay / 1_000)
    return replace(figures_of(world), delays_ms=tuple(present)), late / max(1, late + len(present))
