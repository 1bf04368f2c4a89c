"""What honest publishers do in a world, and what came of it: traffic by a plan, figures in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ...lab.statistics import percentile
from .measures import NEVER, Sample
from .node import SimNode
from .traffic import Publisher, new_author
from .world import World

AUTHORS = 8


@dataclass(frozen=True, slots=True)
class Traffic:
    """`per_s` frames in each virtual second from `first_s` until before `end_s`, each at a random node. `sizes` are
    bytes with their weights."""

    first_s: float
    end_s: float
    per_s: float = 1.0
    sizes: tuple[tuple[int, int], ...] = ((2 * 1_024, 70), (16 * 1_024, 20), (63 * 1_024, 10))
    shard: int | None = 0
    """The one shard on which everything is; None spreads it over all."""


MIXED: Traffic = Traffic(0, 0)
"""The sizes of the propagation scenario: 2, 16 and 64 KiB. The packer closes a frame at 64 KiB by an estimate from
above, so the largest is made 63."""


def start_traffic(world: World, traffic: Traffic, sources: Callable[[], Sequence[SimNode]] | None = None) -> Publisher:
    """Order all publications; `sources` are the nodes that may publish at that moment, all unless told.

    Every node knows the authors beforehand."""
    now_ms = world.clock.unix_ms
    authors = [
        new_author(world.network, f"{world.seed}/author/{n}", now_ms, shard=traffic.shard) for n in range(AUTHORS)
    ]
    world.preload(authors)
    random = Random(f"{world.seed}/traffic")
    publisher = Publisher(world.network, authors, random)

    def publish() -> None:
        sizes, weights = zip(*traffic.sizes, strict=True)
        _, parts, size = publisher.frame_of(random.choices(sizes, weights)[0], world.clock.unix_ms)
        world.publish(random.choice(sources() if sources else world.nodes), parts, size)

    count = round((traffic.end_s - traffic.first_s) * traffic.per_s)
    for place in range(count):
        second = traffic.first_s + (place + random.random()) / traffic.per_s
        world.clock.at(int(second * 1e6), publish)
    return publisher


@dataclass(frozen=True, slots=True)
class Figures:
    """Delays are by frame and node: until the last item of a frame is durable there."""

    delivered_fraction: float
    delays_ms: tuple[float, ...]
    bytes_ratio: float
    """Bytes that gossip made nodes receive, all of them, to the bytes of frames that they had to receive."""

    control_ratio: float
    """The part of it that is no frame."""

    sync_ratio: float
    """Bytes of sync's words that nodes received, likewise."""

    node_bytes: tuple[int, ...]

    @property
    def p50_ms(self) -> float:
        """Half of all deliveries took no longer."""
        return percentile(self.delays_ms, 50)

    @property
    def p99_ms(self) -> float:
        """Of a hundred deliveries one took longer."""
        return percentile(self.delays_ms, 99)

    @property
    def worst_ms(self) -> float:
        """The slowest delivery."""
        return max(self.delays_ms, default=0.0)


def figures_of(world: World, timed: Sequence[Sample] | None = None) -> Figures:
    """The whole run's; delays of the `timed` frames only, all unless told."""
    measures = world.measures
    delays = [
        delay for sample in (measures.samples if timed is None else timed) for delay in measures.delays_us(sample)
    ]
    reached = [delay / 1_000 for delay in delays if delay != NEVER]
    wanted, there = measures.wanted_items()
    needed = sum(
        [
            sample.size_bytes * ((len(sample.expected) if sample.expected is not None else len(world.nodes)) - 1)
            for sample in measures.samples
        ]
    )
    gossip = [node.bytes.gossip for node in world.nodes]
    return Figures(
        delivered_fraction=there / wanted if wanted else 1.0,
        delays_ms=tuple(reached),
        bytes_ratio=sum(gossip) / max(1, needed),
        control_ratio=sum([node.bytes.control for node in world.nodes]) / max(1, needed),
        sync_ratio=sum([node.bytes.sync for node in world.nodes]) / max(1, needed),
        node_bytes=tuple(gossip),
    )


def topics_of(world: World, *, shard: int | None) -> list[str]:
    """The gossip topics that carry the traffic."""
    prefix = f"/pushmesh/1/{world.network.id.hex()}/shard"
    return [f"{prefix}/{each}" for each in (range(world.network.shard_count) if shard is None else [shard])]
