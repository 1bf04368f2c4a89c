"""An attack on a small honest network, and what it did: the scenario in which every adversary acts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pkgutil import iter_modules
from random import Random

from pushmesh_protocol.kinds import CONTROL_KINDS
from pushmesh_protocol.kinds.registry import KIND_NAMES

from ...gossip.parameters import RouterParameters
from ...ipc import Settings
from ...lab.statistics import percentile
from . import attacks
from .adversary import Adversary
from .agreement import disagreements, held_anywhere
from .conditions import Conditions
from .measures import NEVER
from .plan import Traffic, start_traffic, topics_of
from .registry import ATTACKS, BEGIN_S, END_S, Attack
from .terrain import PLAIN, Terrain, network_of
from .world import World

SECONDS = 300.0
TRAFFIC = Traffic(first_s=20.0, end_s=265.0, sizes=((2 * 1_024, 80), (8 * 1_024, 20)))
IN_TIME_MS = 30_000
"""An item counts as delivered if it is durable at a node so soon, on whatever way."""


@dataclass(frozen=True, slots=True)
class Siege:
    """What an attack did. `p99_ms` is of frames that were published while it lasted, `p99_all_ms` of all. Bytes are for
    each honest item: `bytes_per_item` all that honest nodes received, `carried_per_item` what they sent each other but
    frames of nothing but others' items, `carried_all_per_item` those too. `honest_copies` is how often each byte of an
    honest item was carried in frames, `foreign_copies` the same of others' items; None where there were none.
    `disagreements` are kinds of state in which honest nodes differ in the end."""

    name: str
    delivered_fraction: float
    p99_ms: float
    recovered_s: float | None
    honest_penalties: int
    bytes_per_item: float
    carried_per_item: float
    carried_all_per_item: float
    honest_copies: float | None
    foreign_copies: float | None
    p99_all_ms: float
    late: int
    disagreements: int
    sybil_links: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Defences:
    """What honest nodes are made of. The defaults are those of a node; a test weakens them to see what each is for."""

    router: RouterParameters = field(default_factory=RouterParameters)
    settings: Settings = field(default_factory=Settings)
    conditions: Conditions = field(default_factory=Conditions)


def load_attacks() -> dict[str, Attack]:
    """All attacks, by the order of their modules' names."""
    for module in sorted(iter_modules(attacks.__path__), key=lambda each: each.name):
        import_module(f"{attacks.__name__}.{module.name}")
    return ATTACKS


def besiege(
    attack: Attack | None, honest: int, sybils: int, seed: int, *, bootstraps: int = 3, defences: Defences | None = None
) -> Siege:
    """Run one attack to its end; None is the same world in peace, with so many `bootstraps`."""
    began_s = time.perf_counter()
    attack = attack or Attack("peace", "", Adversary, bootstraps=bootstraps)
    world, topics = honest_world(honest, seed, attack.bootstraps, defences or Defences(), attack.terrain)
    publishers = world.nodes[: attack.publishers]
    adversary = attack.make(world, sybils)
    adversary.topics, adversary.publishers = topics, publishers
    adversary.attack_from(attack.begin_s, END_S)
    start_traffic(world, TRAFFIC, sources=lambda: [node for node in publishers if node.is_running])
    world.run_until((BEGIN_S + END_S) / 2)
    held = sum([len(sybil.links) for sybil in adversary.sybils])
    world.run_until(END_S)
    bad_until_s = END_S
    second = END_S
    while second < SECONDS:
        second += 1
        world.run_until(second)
        if not is_healthy(world, topics[0]):
            bad_until_s = second
    recovered_s = None if bad_until_s == SECONDS else bad_until_s - END_S
    return _report(world, attack, recovered_s, held, time.perf_counter() - began_s)


def honest_world(
    honest: int, seed: int, bootstraps: int, defences: Defences, terrain: Terrain = PLAIN
) -> tuple[World, list[str]]:
    """Honest nodes that start within five seconds, each knowing so many others, and the topics that they join: one
    shard, which carries the traffic, and the control topics."""
    conditions = replace(defences.conditions, skew_ms=terrain.skew_ms)
    world = World(network_of(terrain, seed), seed, honest, conditions, defences.router)
    prefix = f"/pushmesh/1/{world.network.id.hex()}/control"
    topics = topics_of(world, shard=TRAFFIC.shard) + [f"{prefix}/{KIND_NAMES[kind]}" for kind in CONTROL_KINDS]
    random = Random(f"{seed}/bootstrap")
    for _ in range(honest):
        world.add_node(topics, defences.settings, start=False)
    for node, known in zip(world.nodes, draw_bootstraps(honest, bootstraps, random, terrain.well_known), strict=True):
        world.introduce(node, [world.nodes[number] for number in known])
        world.clock.at(int(random.random() * 5e6), node.start)
    return world, topics


def draw_bootstraps(nodes: int, each: int, random: Random, well_known: int | None = None) -> list[list[int]]:
    """For each node the numbers of those that it knows, of the first `well_known` where it is set; drawn anew until all
    are one network: parts of which neither knows anybody of the other cannot meet, whoever attacks."""
    while True:
        known = []
        for node in range(nodes):
            others = [other for other in range(nodes)[:well_known] if other != node]
            known.append(random.sample(others, min(each, len(others))))
        if nodes <= 1 or _is_connected(known):
            return known


def _is_connected(known: Sequence[Sequence[int]]) -> bool:
    neighbours: list[set[int]] = [set(others) for others in known]
    for node, others in enumerate(known):
        for other in others:
            neighbours[other].add(node)
    reached, due = {0}, [0]
    while due:
        fresh = neighbours[due.pop()] - reached
        reached |= fresh
        due += fresh
    return len(reached) == len(known)


def is_healthy(world: World, topic: str) -> bool:
    """Whether each honest node's mesh has an honest majority."""
    honest = world.measures.honest
    for node in world.nodes:
        mesh = node.mesh(topic)
        if node.is_running and 2 * sum([peer in honest for peer in mesh]) <= len(mesh):
            return False
    return True


def _report(world: World, attack: Attack, recovered_s: float | None, held: int, wall_s: float) -> Siege:
    measures = world.measures
    everywhere: list[float] = []
    during: list[float] = []
    wanted = in_time = late = 0
    for sample in measures.samples:
        delays = [delay / 1_000 for delay in measures.delays_us(sample) if delay != NEVER]
        nodes = (len(world.nodes) if sample.expected is None else len(sample.expected)) - 1
        wanted += nodes
        in_time += sum([delay <= IN_TIME_MS for delay in delays])
        late += sum([delay > IN_TIME_MS for delay in delays])
        waits = [wait / 1_000 for wait in measures.waits_us(sample) if wait != NEVER]
        everywhere += waits
        if attack.begin_s * 1e6 <= sample.published_us < END_S * 1e6:
            during += waits
    items, carried = world.carriage.honest_items, [node.carried for node in world.nodes]
    received = sum([node.bytes.gossip + node.bytes.sync for node in world.nodes])
    return Siege(
        name=attack.name,
        delivered_fraction=in_time / max(1, wanted),
        p99_ms=percentile(during, 99),
        recovered_s=recovered_s,
        honest_penalties=sum(measures.penalties.values()),
        bytes_per_item=received / max(1, items),
        p99_all_ms=percentile(everywhere, 99),
        late=late,
        sybil_links=held,
        wall_s=wall_s,
        carried_per_item=sum([each.for_honest for each in carried]) / max(1, items),
        carried_all_per_item=sum([each.all for each in carried]) / max(1, items),
        honest_copies=_over(sum([each.frames for each in carried]), world.carriage.honest_bytes),
        foreign_copies=_over(sum([each.foreign for each in carried]), world.carriage.foreign_bytes),
        disagreements=len(disagreements(world.nodes, held_anywhere(world.nodes), world.clock.unix_ms)),
    )


def _over(carried_bytes: int, item_bytes: int) -> float | None:
    return carried_bytes / item_bytes if item_bytes else None


__all__ = ["Adversary", "Defences", "Siege", "besiege", "honest_world", "is_healthy", "load_attacks"]
