"""`pushmesh bench ingest`: how much a real node takes, against what this machine's cores can recover at best.

A node process as it ships, a load generator and one subscriber, each a process of its own. Every round is paired with
slices of bare recovery on one thread, before and after, while the node is idle: machines change their speed, ratios
less.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pushmesh_client import Node, SlotBook, Subscriber, new_wallet
from pushmesh_client.wallet import Wallet

from .devnet import Devnet
from .errors import LabError
from .followers import hand_in
from .narrator import Narrator
from .recovery import RecoverySlices
from .statistics import median, percentile
from .worker import Worker
from .workload import Authors, new_authors, plan_jobs, sign_all, stream_messages, subscription_frames

NETWORK = "bench"
WARM_UP_MESSAGES, WARM_UP_BATCHES = 2000, 8
LOWER_BOUND_EVERY = 4
IDLE_S = 0.15
BATCHES_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """`batch` 0 is single envelopes with `window` unanswered; else batches of so many leaves, two in flight."""

    window: int
    batch: int
    rounds: int
    seconds: float
    wallets: int

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return BATCHES_IN_FLIGHT if self.batch else self.window

    @property
    def envelopes(self) -> int:
        """In one request."""
        return self.batch or 1


@dataclass(frozen=True, slots=True)
class Round:
    """One round against one server; rates are envelopes a second until the last answer and the last delivery."""

    rate: float
    load_us: float
    latencies_ms: list[float]


@dataclass(frozen=True, slots=True)
class Bench:
    """Whoever serves the publish stream, with its load generator and its subscriber."""

    load: Worker
    receiver: Worker
    plan: IngestPlan

    async def play(self, file: Path) -> Round:
        """One round of a file of messages. Raises LabError where an envelope was not durable or not delivered."""
        messages = int((await self.load.ask({"load": str(file)}))["loaded"])
        expected = messages * self.plan.envelopes
        await self.receiver.tell({"expect": expected})
        done = await self.load.ask({"go": self.plan.in_flight})
        got = await self.receiver.answer()
        if done["answers"] != {"durable:ok": expected}:
            raise LabError(f"not every envelope was durable: {done['answers']}")
        if (got["received"], got["different"]) != (expected, expected):
            raise LabError(f"{expected} were acknowledged, {got['received']} delivered, {got['different']} different")
        seconds = max(done["ended_s"], got["ended_s"]) - done["started_s"]
        return Round(expected / seconds, 1e6 * done["cpu_s"] / expected, done["latencies_ms"])

    async def stop(self) -> None:
        """Ends both processes."""
        await asyncio.gather(self.load.stop(), self.receiver.stop())


async def measure_ingest(folder: Path, plan: IngestPlan) -> dict[str, float]:
    """The figures; rates are envelopes a second. Raises LabError."""
    narrator = Narrator(4)
    reader, authors = new_wallet(), new_authors(plan.wallets)
    async with Devnet(folder, 1, network=NETWORK) as net, Node(net.url(0)) as node:
        await hand_in(node, subscription_frames(reader, authors, NETWORK))
        credential = await Subscriber(node, reader, SlotBook()).credential()
        narrator.step(f"a node runs; its one subscriber follows the topics of {plan.wallets:,} wallets")
        bound = await Worker.start(f"{__package__}.lower_bound", str(folder))
        benches: list[Bench] = []
        try:
            benches.append(await _bench(str(node.url.host), int(node.url.port or 80), credential, plan))
            bound_port = int((await bound.answer())["port"])
            benches.append(await _bench("127.0.0.1", bound_port, "none", plan))
            files = await _prepare(folder, plan, authors, reader, benches[0], narrator)
            report = await _rounds(files, benches[0], benches[1], narrator)
        finally:
            await asyncio.gather(*(bench.stop() for bench in benches), bound.stop())
        status = await net.status(0)
        narrator.step("done")
        return report | {"rows": int(status["last_commit"])}


async def _bench(host: str, port: int, credential: str, plan: IngestPlan) -> Bench:
    receiver = await Worker.start(f"{__package__}.receiver", host, str(port))
    await receiver.ask({"auth": credential})
    load = await Worker.start(f"{__package__}.load", host, str(port))
    await load.answer()
    return Bench(load, receiver, plan)


async def _prepare(
    folder: Path, plan: IngestPlan, authors: Authors, reader: Wallet, bench: Bench, narrator: Narrator
) -> list[Path]:
    """A file of messages a round, as many as the node takes in a round's time by a first try."""

    async def sign_files(names: Sequence[str], messages: int) -> list[Path]:
        jobs = plan_jobs(authors, NETWORK, messages * len(names), plan.batch, reader.account)
        show = lambda done, total: narrator.progress(f"signing: {100 * done // total} %")  # noqa: E731  # too small for a name of its own
        frames = await sign_all(jobs, show)
        paths = [folder / f"{name}.messages" for name in names]
        for number, path in enumerate(paths):
            path.write_bytes(stream_messages(frames[number * messages : (number + 1) * messages]))
        return paths

    tries = await sign_files(["warm-up", "first-try"], WARM_UP_BATCHES if plan.batch else WARM_UP_MESSAGES)
    rate = [await bench.play(file) for file in tries][-1].rate
    messages = max(plan.in_flight, int(rate * plan.seconds / plan.envelopes))
    narrator.step(f"warm: about {rate:,.0f} envelopes a second; signing {messages * plan.envelopes:,} for each round")
    return await sign_files([f"round-{number}" for number in range(1, plan.rounds + 1)], messages)


async def _rounds(files: Sequence[Path], node: Bench, bound: Bench, narrator: Narrator) -> dict[str, float]:
    slices = RecoverySlices()
    rounds: list[Round] = []
    bounds: list[Round] = []
    limits: list[float] = []
    ratios: list[float] = []
    for number, file in enumerate(files):
        await asyncio.sleep(IDLE_S)
        before = slices.measure()
        rounds.append(await node.play(file))
        await asyncio.sleep(IDLE_S)
        after = slices.measure()
        limits += [before, after]
        ratios.append(rounds[-1].rate / ((before + after) / 2))
        if number % LOWER_BOUND_EVERY == 0:
            bounds.append(await bound.play(file))
        narrator.progress(f"round {number + 1} of {len(files)}: {rounds[-1].rate:,.0f} a second, {ratios[-1]:.2f}")
        file.unlink()
    narrator.step(f"{len(rounds)} rounds, ratios {min(ratios):.2f} to {max(ratios):.2f}")
    latencies_ms = [latency for each in rounds for latency in each.latencies_ms]
    return {
        "rate": round(median([each.rate for each in rounds]), 1),
        "limit_rate": round(median(limits), 1),
        "ratio": round(median(ratios), 4),
        "lower_bound_rate": round(median([each.rate for each in bounds]), 1),
        "load_us": round(median([each.load_us for each in rounds]), 2),
        "p50_ms": round(percentile(latencies_ms, 50), 3),
        "p99_ms": round(percentile(latencies_ms, 99), 3),
    }
