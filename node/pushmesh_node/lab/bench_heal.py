"""`pushmesh bench heal`: a node comes back to all that it missed, and serves meanwhile.

Two node processes as they ship. One takes an hour of traffic, as `bench ingest` hands it in, and that rate is the
measure; then the other starts with an empty store, is published to and listened to all the time, and the clock runs
until it lacks nothing. Of the same frames one thread does the least that must be done: that is the lower bound."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pushmesh_client import new_wallet

from .bench_heal_live import LiveLoad
from .cpu_time import tree_cpu_s
from .devnet import Devnet
from .errors import LabError
from .lower_bound import Store, verify
from .narrator import Narrator
from .networks import shipped_network
from .statistics import percentile
from .worker import Worker
from .workload import Authors, new_authors, plan_jobs, sign_all, stream_messages

NETWORK = "bench"
LEAVES = 256
FILE_MESSAGES = 20_000
HOUR_MS = 3_600_000
LONGEST_S = 600.0
POLL_S = 0.1

BOUND_FRAMES = 256
"""Of each kind, for the lower bound."""

BOUND_COMMIT = 1_024
"""Envelopes of one of its commits."""


@dataclass(frozen=True, slots=True)
class HealPlan:
    """So many envelopes are missed, this share of them in batches; `live_s` seconds' worth is signed for publishing
    while the node heals."""

    envelopes: int
    batched: float
    wallets: int
    live_s: float = 120.0


@dataclass(slots=True)
class _Fill:
    """What was handed in, how long its taking took, and some of its frames."""

    envelopes: int = 0
    took_s: float = 0.0
    bound_s: float = 0.0


async def measure_heal(folder: Path, plan: HealPlan) -> dict[str, float]:
    """How long it took, and how fast against taking the same from publishers. Raises LabError."""
    narrator = Narrator(4)
    authors = new_authors(plan.wallets)
    batches = round(plan.envelopes * plan.batched / LEAVES)
    singles = max(0, plan.envelopes - batches * LEAVES)
    live = LiveLoad(NETWORK)
    await live.sign(plan.live_s, narrator)
    async with Devnet(folder, 2, network=NETWORK, star=True, late=1) as net:
        load = await Worker.start(f"{__package__}.load", "127.0.0.1", net.url(0).rsplit(":", 1)[1])
        fill = _Fill()
        try:
            await load.answer()
            narrator.step(f"a node runs; the other one is to miss {plan.envelopes:,} envelopes")
            for leaves, messages in ((LEAVES, batches), (0, singles)):
                await _fill(folder, load, authors, messages, leaves, fill, narrator)
        finally:
            await load.stop()
        narrator.step(f"filled: {fill.envelopes / fill.took_s:,.0f} a second; the other one starts")
        healed = await _heal(net, fill.envelopes, live)
        narrator.step("done")
    live.end()
    return _report(fill, batches, healed, live)


def _report(fill: _Fill, batches: int, healed: dict[str, float], live: LiveLoad) -> dict[str, float]:
    total = fill.envelopes
    heal_s = healed["seconds"] - healed["ready_s"]
    return {
        "envelopes": total,
        "batched": round(batches * LEAVES / total, 4),
        "seconds": round(healed["seconds"], 2),
        "ready_s": round(healed["ready_s"], 2),
        "rate": round(total / heal_s, 1),
        "ingest_rate": round(total / fill.took_s, 1),
        "ratio": round(fill.took_s / heal_s, 4),
        "bound_rate": round(total / fill.bound_s, 1),
        "cpu_s": round(healed["cpu_s"], 1),
        "giver_cpu_s": round(healed["giver_cpu_s"], 1),
        "live_published": len(live.publish_ms),
        "live_delivered": len(live.delivered_ms),
        **_latencies("publish", live.publish_ms),
        **_latencies("deliver", live.delivered_ms),
    }


def _latencies(name: str, latencies_ms: list[float]) -> dict[str, float]:
    return {
        f"{name}_p{share}_ms": round(percentile(latencies_ms, share), 1) if latencies_ms else 0.0 for share in (50, 99)
    }


async def _fill(
    folder: Path, load: Worker, authors: Authors, messages: int, leaves: int, fill: _Fill, narrator: Narrator
) -> None:
    """Hand in so many messages of the last hour."""
    for first in range(0, messages, FILE_MESSAGES):
        count = min(FILE_MESSAGES, messages - first)
        past_ms = (HOUR_MS - HOUR_MS * first // messages, HOUR_MS - HOUR_MS * (first + count) // messages)
        jobs = plan_jobs(authors, NETWORK, count, leaves, new_wallet().account, past_ms)
        frames = await sign_all(jobs, lambda done, total: narrator.progress(f"signing: {100 * done // total} %"))
        if not first:
            sample = frames[:BOUND_FRAMES]
            fill.bound_s += await asyncio.to_thread(_bound_s, folder, sample) * messages / len(sample)
        path = folder / "fill.messages"
        path.write_bytes(stream_messages(frames))
        await load.ask({"load": str(path)})
        done = await load.ask({"go": 2 if leaves else 64}, timeout_s=LONGEST_S)
        if done["answers"] != {"durable:ok": count * max(1, leaves)}:
            raise LabError(f"not every envelope was durable: {done['answers']}")
        fill.envelopes += count * max(1, leaves)
        fill.took_s += done["ended_s"] - done["started_s"]
        path.unlink()


def _bound_s(folder: Path, frames: list[bytes]) -> float:
    """What one thread needs to open, to verify and to commit these."""
    network = shipped_network(NETWORK)
    path = folder / "lower_bound.db"
    store = Store(path)
    began_s = time.perf_counter()
    try:
        for rows in _groups(row for frame in frames for row in verify(network, frame)):
            store.commit(rows)
        return time.perf_counter() - began_s
    finally:
        store.close()
        for each in path.parent.glob(path.name + "*"):
            each.unlink()


def _groups(rows: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    group: list[tuple[bytes, bytes]] = []
    for row in rows:
        group.append(row)
        if len(group) == BOUND_COMMIT:
            yield group
            group = []
    if group:
        yield group


async def _heal(net: Devnet, total: int, live: LiveLoad) -> dict[str, float]:
    """Seconds from the start of its process until it answered, and until it was in sync; and the CPU time that both
    nodes took for it."""
    giver, healer = net.nodes
    assert giver.pid is not None  # it runs: it has just been published to
    giver_before_s = tree_cpu_s([giver.pid])
    began_s = time.monotonic()
    ready_s = 0.0
    await healer.start()
    serving = asyncio.create_task(live.run(net.url(1)))
    try:
        while not await _is_healed(net, total):
            if not ready_s and await net.status(1):
                ready_s = time.monotonic() - began_s
            if time.monotonic() - began_s > LONGEST_S:
                raise LabError(f"the node was not in sync after {LONGEST_S:g} s")
            if not healer.running:
                raise LabError(f"the node ended: {healer.log_tail()}")
            if serving.done():
                serving.result()
            await asyncio.sleep(POLL_S)
        assert healer.pid is not None  # it answered just now
        return {
            "seconds": time.monotonic() - began_s,
            "ready_s": ready_s,
            "cpu_s": tree_cpu_s([healer.pid]),
            "giver_cpu_s": tree_cpu_s([giver.pid]) - giver_before_s,
        }
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _is_healed(net: Devnet, total: int) -> bool:
    status = await net.status(1)
    peers = await net.peers(1)
    return status.get("last_commit", 0) >= total and bool(peers) and all(peer["caught_up"] for peer in peers)
