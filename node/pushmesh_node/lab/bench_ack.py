"""`pushmesh bench ack`: how long a publisher waits for `durable` at a steady rate, against a bare sync of this disk.

A node process as it ships and a load generator that sends at its pace whatever happens. Each wait counts from the
moment when the request was due. Slices of bare syncs stand before, between and after: disks change their speed, ratios
less.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from .bench_ingest import NETWORK
from .devnet import Devnet
from .errors import LabError
from .narrator import Narrator
from .statistics import percentile
from .worker import Worker
from .workload import new_authors, plan_jobs, sign_all, stream_messages

WARM_UP = 2_000
SYNCS = 400
"""Of one slice."""
SYNC_BYTES = 4_096
BOUND_MS, BOUND_TIMES = 20.0, 20.0
"""The p99 may be the one, or the other times that of a bare sync, whichever is more."""


@dataclass(frozen=True, slots=True)
class AckPlan:
    """Publishes a second, and how long in each of so many slices."""

    rate: int
    seconds: float
    rounds: int
    wallets: int


async def measure_ack(folder: Path, plan: AckPlan) -> dict[str, float]:
    """Waits and syncs in milliseconds, and the bound that the p99 has to keep. Raises LabError."""
    narrator = Narrator(3)
    authors = new_authors(plan.wallets)
    per_round = int(plan.rate * plan.seconds)
    jobs = plan_jobs(authors, NETWORK, WARM_UP + plan.rounds * per_round, 0, authors.wallets[0].account)
    frames = await sign_all(jobs, lambda done, total: narrator.progress(f"signing: {100 * done // total} %"))
    narrator.step(f"{len(frames):,} notifications signed")
    async with Devnet(folder, 1, network=NETWORK) as net:
        host, _, port = net.url(0).removeprefix("http://").partition(":")
        load = await Worker.start(f"{__package__}.load", host, port)
        try:
            await load.answer()
            await _play(load, folder, frames[:WARM_UP], plan.rate)
            waits_ms: list[float] = []
            syncs_ms = bare_syncs(folder)
            for number in range(plan.rounds):
                first = WARM_UP + number * per_round
                waits_ms += await _play(load, folder, frames[first : first + per_round], plan.rate)
                syncs_ms += bare_syncs(folder)
                narrator.progress(f"round {number + 1} of {plan.rounds}: p99 {percentile(waits_ms, 99):.1f} ms so far")
        finally:
            await load.stop()
    narrator.step(f"{len(waits_ms):,} acknowledged at {plan.rate:,} a second")
    return report_of(plan.rate, waits_ms, syncs_ms)


def report_of(rate: int, waits_ms: list[float], syncs_ms: list[float]) -> dict[str, float]:
    """The figures, and 1 under `within_bound` where the p99 keeps its bound."""
    p99, sync = percentile(waits_ms, 99), percentile(syncs_ms, 99)
    bound = max(BOUND_MS, BOUND_TIMES * sync)
    return {
        "rate": rate,
        "acknowledged": len(waits_ms),
        "p50_ms": round(percentile(waits_ms, 50), 3),
        "p99_ms": round(p99, 3),
        "max_ms": round(max(waits_ms, default=0.0), 3),
        "sync_p50_ms": round(percentile(syncs_ms, 50), 3),
        "sync_p99_ms": round(sync, 3),
        "bound_ms": round(bound, 3),
        "within_bound": int(p99 <= bound),
    }


def bare_syncs(folder: Path) -> list[float]:
    """How long each of a slice of appends takes with its fdatasync, in milliseconds."""
    path = folder / "sync.bin"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    found = []
    try:
        for _ in range(SYNCS):
            began_s = time.perf_counter()
            os.write(descriptor, bytes(SYNC_BYTES))
            os.fdatasync(descriptor)
            found.append(1000 * (time.perf_counter() - began_s))
    finally:
        os.close(descriptor)
        path.unlink()
    return found


async def _play(load: Worker, folder: Path, frames: list[bytes], rate: int) -> list[float]:
    """One slice; how long each waited. Raises LabError where one was not durable."""
    path = folder / "ack.messages"
    await asyncio.to_thread(path.write_bytes, stream_messages(frames))
    await load.ask({"load": str(path)})
    done = await load.ask({"pace": rate})
    if done["answers"] != {"durable:ok": len(frames)}:
        raise LabError(f"not every envelope was durable: {done['answers']}")
    return list(done["latencies_ms"])
