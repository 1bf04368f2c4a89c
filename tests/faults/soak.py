"""Twenty minutes of mixed load on a mesh of two nodes: `python -m faults.soak [--minutes 20]`; `make soak` calls it.

First everything that is bounded by number is filled, as fast as that goes, then what is bounded by time, under the load
that is measured next. Prints the resident memory of each process as it goes, then where each began, ended and how fast
it grew, and writes a report with a picture. Ends with 0 where none grows by more than a megabyte an hour.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from random import Random, SystemRandom
from statistics import median

import msgspec

from pushmesh_client import ClientError, Node, SlotBook, Subscriber, Wallet
from pushmesh_node.lab.networks import shipped_network
from support.processes import a_plan
from support.wallets import a_wallet

from .history import Event, History
from .nodes import GOSSIP, VERIFYING, FaultyNode
from .publisher import TOPIC, Publisher
from .report import REPORTS, can_draw
from .subscribers import CursorReader

BOUND_MB_AN_HOUR = 1.0
SAMPLE_S = 5.0
LIFE_MS = 60_000
RATE, BATCH = 25, 16
FILL_RATE = 10_000
FILL_ENVELOPES = 160_000
"""Published before the clock starts, singly and in batches as later on: twice all that a node remembers of the latest
envelopes by their number, so that what is measured is what grows, and not what fills."""
WARM_UP_MINUTES = 20.0
"""Longer than a node remembers anything by its age: ids of gossip and nonces of log-ins are kept for ten minutes, and
the tables of dictionaries whose oldest entries go as new ones come take a quarter of an hour to reach their size."""

VISITORS = 4

NETWORK = shipped_network("devnet")


class Forgetful(History):
    """Nobody judges it, so that this process does not grow either."""

    def add(self, event: Event) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one process after the warm-up: MB in its first and last minute, and the slope in MB an hour, with the bounds
    between which it lies in 95 of 100 cases."""

    start_mb: float
    end_mb: float
    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        slope = f"{self.slope:+.2f} MB/h (95%: {self.low:+.2f} to {self.high:+.2f})"
        return f"{self.start_mb:.1f} MB at the start, {self.end_mb:.1f} MB at the end, {slope}"


@dataclass(slots=True)
class Samples:
    """Resident megabytes of each process, and when (s since the start); those before `warm_up_s` are not judged."""

    warm_up_s: float
    at_s: list[float] = field(default_factory=list)
    resident_mb: dict[str, list[float]] = field(default_factory=dict)

    def take(self, at_s: float, now: Mapping[str, float]) -> None:
        """One look at all of them."""
        self.at_s.append(at_s)
        for name, resident in now.items():
            self.resident_mb.setdefault(name, []).append(resident)

    def growths(self) -> dict[str, Growth]:
        """Of each process after the warm-up."""
        start = bisect_left(self.at_s, self.warm_up_s)
        return {name: growth(self.at_s[start:], values[start:]) for name, values in self.resident_mb.items()}

    @property
    def worst(self) -> float:
        """The steepest slope of all, MB an hour."""
        return max(each.slope for each in self.growths().values())


def growth(at_s: Sequence[float], values: Sequence[float]) -> Growth:
    """By the median of the slopes between all pairs (Theil and Sen): a few odd samples do not move it. Its bounds are
    Sen's. At least two samples."""
    count = len(at_s)
    slopes = sorted(
        3600 * (values[j] - values[i]) / (at_s[j] - at_s[i]) for i in range(count) for j in range(i + 1, count)
    )
    spread = 1.96 * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, round((len(slopes) - spread) / 2))
    minute = max(1, bisect_left(at_s, at_s[0] + 60))
    return Growth(median(values[:minute]), median(values[-minute:]), median(slopes), slopes[low], slopes[-1 - low])


def resident_mb(pid: int) -> float:
    """Of one process, now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no memory: it has ended")


def all_resident(nodes: Sequence[FaultyNode]) -> dict[str, float]:
    """Of every process of every node, by node and part."""
    found: dict[str, float] = {}
    for node in nodes:
        assert node.pid is not None, f"{node.plan.name} has ended"
        parts = {"main": [node.pid], "gossip": node.children(GOSSIP), "verifying": node.children(VERIFYING)}
        found |= {f"{node.plan.name} {part}": resident_mb(pid) for part, pids in parts.items() for pid in pids[:1]}
    return found


async def visit(node: FaultyNode, wallet: Wallet, publisher: Wallet, random: Random) -> None:
    """What wallets, dapps and operators do all day, in no order, until it is cancelled."""
    topic = publisher.topic(TOPIC)
    async with Node(node.plan.url, network=NETWORK) as door:
        subscriber = Subscriber(door, wallet, SlotBook())
        while True:
            with suppress(ClientError, TimeoutError):
                match random.randrange(8):
                    case 0:
                        await subscriber.subscribe(topic)
                    case 1:
                        await subscriber.unsubscribe(topic)
                    case 2:
                        await subscriber.page(limit=50)
                    case 3:
                        await subscriber.set_preferences(mute=[f"eip155:1:0x{random.randbytes(20).hex()}"])
                    case 4 | 5:
                        await listen_a_while(subscriber, random.choice(("ws", "sse")), random.uniform(0.2, 2.0))
                    case 6:
                        await door.get("/v1/status")
                        await door.free_slots(wallet.account, 0, 1 << 20, 16)
                    case 7:
                        async with door.http.get(f"{node.plan.url}/metrics") as answer:
                            await answer.read()
            await asyncio.sleep(random.expovariate(2))


async def listen_a_while(subscriber: Subscriber, transport: str, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async with await subscriber.listen(transport, device="visitor") as inbox:
                async for _message in inbox:
                    pass


async def soak(
    folder: Path,
    minutes: float,
    random: Random,
    *,
    warm_up_minutes: float = WARM_UP_MINUTES,
    envelopes: int = FILL_ENVELOPES,
) -> Samples:
    """Fill, warm up, then run the load for so long; every process is sampled from the beginning of the warm-up."""
    first = a_plan(folder, "first", mesh=True, mqtt__enabled=False, verify__processes=1)
    second = a_plan(folder, "second", [first], mqtt__enabled=False, verify__processes=1)
    nodes = [FaultyNode(first), FaultyNode(second)]
    samples, history = Samples(60 * warm_up_minutes), Forgetful()
    publisher = Publisher(NETWORK, a_wallet(1), history, random, rate=RATE, life_ms=LIFE_MS, batch=BATCH)
    try:
        await asyncio.gather(*(node.ready() for node in nodes))
        readers = [CursorReader(node.plan.name, NETWORK, a_wallet(2 + i), history) for i, node in enumerate(nodes)]
        for reader, node in zip(readers, nodes, strict=True):
            await reader.subscribe(node.plan.url, publisher.wallet.topic(TOPIC), TOPIC)
        await fill(first.name, first.url, history, random, envelopes)
        async with asyncio.TaskGroup() as group:
            load = [group.create_task(publisher.run(first.name, first.url, 64))]
            load += [
                group.create_task(each.run(n.plan.name, n.plan.url)) for each, n in zip(readers, nodes, strict=True)
            ]
            for number in range(VISITORS):
                visitor = a_wallet(20 + number)
                work = visit(nodes[number % 2], visitor, publisher.wallet, Random(random.random()))
                load.append(group.create_task(work))
            await sample(nodes, warm_up_minutes + minutes, samples, readers)
            assert not load[0].done(), "the publisher's stream has ended"
            for task in load:
                task.cancel()
    finally:
        for node in nodes:
            await node.client.close()
            await node.stop()
            node.close()
    print(f"{publisher.durable} durable answers; refusals {publisher.refusals}", flush=True)
    return samples


async def fill(name: str, url: str, history: History, random: Random, envelopes: int) -> None:
    """The same mixture without a pause."""
    filler = Publisher(NETWORK, a_wallet(9), history, random, rate=FILL_RATE, life_ms=LIFE_MS, batch=BATCH)
    filling = asyncio.create_task(filler.run(name, url, 64))
    began_s = time.monotonic()
    while filler.durable < envelopes:  # it counts answers and has no event for us
        assert not filling.done(), "the filling stream has ended"
        await asyncio.sleep(0.2)
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    print(f"filled with {filler.durable} envelopes in {time.monotonic() - began_s:.0f} s", flush=True)


async def sample(
    nodes: Sequence[FaultyNode], minutes: float, samples: Samples, readers: Sequence[CursorReader]
) -> None:
    began_s = time.monotonic()
    told_min = -1
    while (at_s := time.monotonic() - began_s) < 60 * minutes:
        samples.take(at_s, now := all_resident(nodes))
        for reader in readers:
            reader.got.clear()
        if int(at_s / 60) > told_min:
            told_min = int(at_s / 60)
            told = ", ".join(f"{name} {resident:.1f} MB" for name, resident in now.items())
            print(f"{time.strftime('%H:%M:%S')} {told}", flush=True)
        await asyncio.sleep(SAMPLE_S)


def write_report(seed: int, samples: Samples, folder: Path) -> Path:
    """`soak-<seed>.json`, and a picture beside it where it can be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"soak-{seed}.json"
    found = {
        "seed": seed,
        "bound_mb_per_hour": BOUND_MB_AN_HOUR,
        "warm_up_s": samples.warm_up_s,
        "processes": {name: as_row(each) for name, each in samples.growths().items()},
        "at_s": samples.at_s,
        "resident_mb": samples.resident_mb,
    }
    path.write_bytes(msgspec.json.encode(found) + b"\n")
    if can_draw():
        _draw(samples, path.with_suffix(".png"))
    return path


def as_row(found: Growth) -> dict[str, float]:
    """For the report."""
    return {
        "start_mb": round(found.start_mb, 1),
        "end_mb": round(found.end_mb, 1),
        "slope_mb_per_hour": round(found.slope, 3),
        "slope_low": round(found.low, 3),
        "slope_high": round(found.high, 3),
    }


def _draw(samples: Samples, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    for name, found in samples.growths().items():
        minutes = [at_s / 60 for at_s in samples.at_s]
        axes.plot(minutes, samples.resident_mb[name], label=f"{name}: {found.slope:+.2f} MB/h after warm-up")
    axes.axvline(samples.warm_up_s / 60, color="grey", linestyle=":")
    axes.set_xlabel("minutes")
    axes.set_ylabel("resident memory, MB")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> int:
    """0 where every process is flat."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="measured, after the warm-up")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--report", type=Path, default=REPORTS)
    chosen = parser.parse_args()
    seed = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    print(f"seed {seed} (again with --seed {seed})", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        samples = asyncio.run(soak(Path(folder), chosen.minutes, Random(seed)))
    path = write_report(seed, samples, chosen.report)
    for name, found in samples.growths().items():
        print(f"{name}: {found}")
    print(f"report: {path}")
    return int(samples.worst > BOUND_MB_AN_HOUR)


if __name__ == "__main__":
    sys.exit(main())
