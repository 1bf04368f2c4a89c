"""`pushmesh bench overload`: what a real node does with several times as much as it can.

A node process as it ships. First what it can: publishes a second, closed loop. Then a flood of so many times that, open
loop, from several connections, while a quiet publisher goes on and a wallet receives and acknowledges; then the quiet
one alone, until it is served as before.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushmesh_client import Node, SlotBook, Subscriber, new_wallet

from .bench_ingest import NETWORK
from .devnet import Devnet
from .errors import LabError
from .followers import hand_in
from .memory import resident_mb
from .narrator import Narrator
from .probe import Single
from .statistics import median, percentile
from .worker import Worker
from .workload import Authors, new_authors, plan_jobs, sign_all, stream_messages, subscription_frames

WARM_UP = 2_000
WINDOW = 512
"""Unanswered at a time while the capacity is measured."""
ROUND_S = 1.5
EVERY_S = 0.02
CALM = 10
"""Recovered is the node from the first of so many singles in a row that take no longer than before the flood."""
ASKED_AGAIN = 2_000


@dataclass(frozen=True, slots=True)
class OverloadPlan:
    """`times` the capacity for so many seconds, from so many connections. The capacity is the middle of so many rounds,
    so many `spare` messages may be under way, the quiet publisher is alone so long before the flood and after it."""

    times: float
    seconds: float
    publishers: int
    wallets: int
    rounds: int = 3
    spare: int = 16_384
    before_s: float = 5.0
    after_s: float = 5.0

    @property
    def quiet_s(self) -> float:
        """How long the quiet publisher goes on, with the flood."""
        return self.before_s + self.seconds + self.after_s


async def measure_overload(folder: Path, plan: OverloadPlan) -> dict[str, float]:
    """The figures of one flood. Raises LabError where an answer was neither durable nor rate-limited."""
    narrator = Narrator(5)
    reader, authors, quiet = new_wallet(), new_authors(plan.wallets), new_authors(1)
    async with Devnet(folder, 1, network=NETWORK) as net, Node(net.url(0)) as node:
        await hand_in(node, subscription_frames(reader, quiet, NETWORK))
        credential = await Subscriber(node, reader, SlotBook()).credential()
        narrator.step("a node runs")
        bench = Bench(net, (str(node.url.host), str(node.url.port or 80)), folder, plan, narrator)
        capacity = await bench.capacity(authors)
        narrator.step(f"it takes {capacity:,.0f} a second")
        flood, singles = await bench.sign(authors, quiet, capacity)
        report = await bench.flood(flood, singles, capacity, credential)
        narrator.step("done")
        return report


@dataclass(frozen=True, slots=True)
class Bench:
    """The node, where it listens, and the way of one measurement."""

    net: Devnet
    at: tuple[str, str]
    folder: Path
    plan: OverloadPlan
    narrator: Narrator

    async def capacity(self, authors: Authors) -> float:
        """Publishes a second, the middle of some rounds."""
        rates = [0.0]
        load = await Worker.start(f"{__package__}.load", *self.at)
        try:
            await load.answer()
            for number in range(self.plan.rounds + 1):
                count = int(rates[-1] * ROUND_S) if number else WARM_UP
                await load.ask({"load": str(await self._signed("capacity", authors, count))})
                done = await load.ask({"go": WINDOW})
                if done["answers"] != {"durable:ok": count}:
                    raise LabError(f"not every envelope was durable: {done['answers']}")
                rates.append(count / (done["ended_s"] - done["started_s"]))
        finally:
            await load.stop()
        return median(rates[2:])

    async def sign(self, authors: Authors, quiet: Authors, capacity: float) -> tuple[Path, Path]:
        """What the flood and the quiet publisher bring. Refused ones are offered again, so there need be no more than
        can be taken and be under way."""
        count = int(capacity * self.plan.seconds * 1.5) + self.plan.spare
        singles = int(self.plan.quiet_s / EVERY_S)
        files = await self._signed("flood", authors, count), await self._signed("quiet", quiet, singles)
        self.narrator.step(f"{count:,} notifications signed")
        return files

    async def flood(self, messages: Path, singles: Path, capacity: float, credential: str) -> dict[str, float]:
        """The quiet publisher alone, with the flood, and alone again."""
        plan, pid = self.plan, self.net.nodes[0].pid or 0
        probe = await Worker.start(f"{__package__}.probe", *self.at)
        flood = await Worker.start(f"{__package__}.flood", *self.at, str(plan.publishers))
        try:
            await flood.answer()
            await flood.ask({"load": str(messages)})
            await probe.ask({"auth": credential})
            await probe.ask({"load": str(singles)})
            await probe.tell({"seconds": plan.quiet_s, "every_s": EVERY_S})
            await asyncio.sleep(plan.before_s)
            memory = {"rss_before_mb": resident_mb(pid)}
            done = await flood.ask({"rate": plan.times * capacity, "seconds": plan.seconds})
            memory["rss_mb"] = resident_mb(pid)
            self.narrator.step(f"flooded with {done['sent'] / plan.seconds:,.0f} a second")
            told = [_single(each) for each in (await probe.answer())["singles"]]
            again = await flood.ask({"again": ASKED_AGAIN})
        finally:
            await asyncio.gather(probe.stop(), flood.stop())
        strange = set(done["answers"]) - {"durable:ok", "refused:rate-limited"}
        if strange:
            raise LabError(f"answers of another kind: {done['answers']}")
        if int((await self.net.status(0))["last_commit"]) < len(done["taken_ms"]):
            raise LabError("the node has fewer envelopes than it said were durable")
        lost = done["unanswered"] + again["asked"] - again["kept"]
        return report_of(plan, capacity, done, told) | {"lost": lost} | memory

    async def _signed(self, name: str, authors: Authors, count: int) -> Path:
        file = self.folder / f"{name}.messages"
        jobs = plan_jobs(authors, NETWORK, count, 0, authors.wallets[0].account)
        frames = await sign_all(jobs, lambda done, total: self.narrator.progress(f"signing: {100 * done // total} %"))
        await asyncio.to_thread(file.write_bytes, stream_messages(frames))
        return file


def _single(row: Sequence[Any]) -> Single:
    at_s, reason, durable_ms, delivered_ms, acked_ms = row
    return float(at_s), str(reason), float(durable_ms), float(delivered_ms), float(acked_ms)


def report_of(plan: OverloadPlan, capacity: float, done: dict[str, Any], singles: Sequence[Single]) -> dict[str, float]:
    """The figures from what the flood and the quiet publisher saw."""
    began_s, flooded_s = done["began_s"], done["flooded_s"]
    taken_ms = [wait for _, wait in done["taken_ms"]]
    in_time = sum(at_s <= flooded_s for at_s, _ in done["taken_ms"])
    before = [single for single in singles if single[0] < began_s - EVERY_S]
    during = [single for single in singles if began_s <= single[0] < flooded_s]
    quiet = [single for single in during if single[1] == "ok"]
    offered = done["sent"] / plan.seconds
    bound_ms = percentile([single[2] for single in before], 99)
    after = [single for single in singles if single[0] >= flooded_s]
    shares = done["shares"]
    return {
        "capacity_rate": round(capacity, 1),
        "offered_rate": round(offered, 1),
        "offered_times": round(offered / capacity, 2),
        "accepted_rate": round(in_time / plan.seconds, 1),
        "accepted_share": round(in_time / plan.seconds / capacity, 3),
        "refused_rate": round(len(done["refused_ms"]) / plan.seconds, 1),
        "accepted_p50_ms": round(percentile(taken_ms, 50), 1),
        "accepted_p99_ms": round(percentile(taken_ms, 99), 1),
        "accepted_max_ms": round(max(taken_ms, default=0.0), 1),
        "refused_p50_ms": round(percentile(done["refused_ms"], 50), 1),
        "refused_p99_ms": round(percentile(done["refused_ms"], 99), 1),
        "refused_without_retry_after": done["without_retry"],
        "generator_cpu": round(done["cpu_s"] / plan.seconds, 3),
        "least_share": round(len(shares) * min(shares) / max(1, sum(shares)), 3),
        "quiet_refused": len(during) - len(quiet),
        "quiet_p99_ms": round(percentile([single[2] for single in quiet], 99), 1),
        "delivered_p99_ms": round(percentile([single[3] for single in quiet], 99), 1),
        "acked_p99_ms": round(percentile([single[4] for single in quiet], 99), 1),
        "before_p99_ms": round(bound_ms, 1),
        "before_delivered_p99_ms": round(percentile([single[3] for single in before], 99), 1),
        "before_acked_p99_ms": round(percentile([single[4] for single in before], 99), 1),
        "recovery_s": round(recovery_s(after, flooded_s, bound_ms), 3),
    }


def recovery_s(after: Sequence[Single], flooded_s: float, bound_ms: float) -> float:
    """From the end of the flood to the end of the first of CALM singles in a row that kept the bound. Raises LabError
    where there are none."""
    kept = [single[1] == "ok" and single[2] <= bound_ms for single in after]
    for place in range(len(kept) - CALM + 1):
        if all(kept[place : place + CALM]):
            return after[place][0] + after[place][2] / 1000 - flooded_s
    raise LabError(f"the node did not come back to {bound_ms:.1f} ms in time")
