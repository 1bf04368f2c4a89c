"""`pushmesh bench heal`: a node comes back to all that it missed, and serves meanwhile.

Two node processes as they ship. One takes everything, as `bench ingest` hands it in, and that rate is the measure; then
the other starts with an empty store, is published to all the time, and the clock runs until it lacks nothing."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pushmesh_client import Node, new_wallet
from pushmesh_client.errors import Unreachable

from .devnet import Devnet
from .errors import LabError
from .narrator import Narrator
from .statistics import percentile
from .worker import Worker
from .workload import Authors, new_authors, plan_jobs, sign_all, stream_messages

NETWORK = "bench"
LEAVES = 256
FILE_MESSAGES = 20_000
LIVE_FRAMES, LIVE_EVERY_S = 20, 0.1
LONGEST_S = 600.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class HealPlan:
    """So many envelopes are missed, this share of them in batches; `live_s` seconds' worth is signed for publishing
    while the node heals."""

    envelopes: int
    batched: float
    wallets: int
    live_s: float = 120.0


async def measure_heal(folder: Path, plan: HealPlan) -> dict[str, float]:
    """How long it took, and how fast against taking the same from publishers. Raises LabError."""
    narrator = Narrator(4)
    authors = new_authors(plan.wallets)
    batches = round(plan.envelopes * plan.batched / LEAVES)
    singles = max(0, plan.envelopes - batches * LEAVES)
    live = await _sign(authors, round(plan.live_s / LIVE_EVERY_S * LIVE_FRAMES), 0, narrator)
    async with Devnet(folder, 2, network=NETWORK, star=True, late=1) as net:
        load = await Worker.start(f"{__package__}.load", "127.0.0.1", net.url(0).rsplit(":", 1)[1])
        try:
            await load.answer()
            narrator.step(f"a node runs; the other one is to miss {plan.envelopes:,} envelopes")
            took_s = 0.0
            for leaves, messages in ((LEAVES, batches), (0, singles)):
                took_s += await _fill(folder, load, authors, messages, leaves, narrator)
        finally:
            await load.stop()
        total = batches * LEAVES + singles
        narrator.step(f"filled: {total / took_s:,.0f} a second; the other one starts")
        ready_s, healed_s, latencies_ms = await _heal(net, total, live)
        narrator.step("done")
    return {
        "envelopes": total,
        "batched": round(batches * LEAVES / total, 4),
        "seconds": round(healed_s, 2),
        "ready_s": round(ready_s, 2),
        "rate": round(total / (healed_s - ready_s), 1),
        "ingest_rate": round(total / took_s, 1),
        "ratio": round(took_s / (healed_s - ready_s), 4),
        "live_published": len(latencies_ms),
        "live_p99_ms": round(percentile(latencies_ms, 99), 1) if latencies_ms else 0.0,
    }


async def _sign(authors: Authors, messages: int, leaves: int, narrator: Narrator) -> list[bytes]:
    jobs = plan_jobs(authors, NETWORK, messages, leaves, new_wallet().account)
    return await sign_all(jobs, lambda done, total: narrator.progress(f"signing: {100 * done // total} %"))


async def _fill(folder: Path, load: Worker, authors: Authors, messages: int, leaves: int, narrator: Narrator) -> float:
    """Hand in so many messages; the seconds that their taking took."""
    took_s = 0.0
    for first in range(0, messages, FILE_MESSAGES):
        count = min(FILE_MESSAGES, messages - first)
        path = folder / "fill.messages"
        path.write_bytes(stream_messages(await _sign(authors, count, leaves, narrator)))
        await load.ask({"load": str(path)})
        done = await load.ask({"go": 2 if leaves else 64}, timeout_s=LONGEST_S)
        if done["answers"] != {"durable:ok": count * max(1, leaves)}:
            raise LabError(f"not every envelope was durable: {done['answers']}")
        took_s += done["ended_s"] - done["started_s"]
        path.unlink()
    return took_s


async def _heal(net: Devnet, total: int, live: list[bytes]) -> tuple[float, float, list[float]]:
    """Seconds from the start of its process until it answered, and until it was in sync; and how long publishing
    took."""
    latencies_ms: list[float] = []
    began_s = time.monotonic()
    ready_s: float | None = None
    await net.nodes[1].start()
    publishing = asyncio.create_task(_publish(net.url(1), live, latencies_ms))
    try:
        while not await _is_healed(net, total):
            if ready_s is None and await net.status(1):
                ready_s = time.monotonic() - began_s
            if time.monotonic() - began_s > LONGEST_S:
                raise LabError(f"the node was not in sync after {LONGEST_S:g} s")
            if not net.nodes[1].running:
                raise LabError(f"the node ended: {net.nodes[1].log_tail()}")
            await asyncio.sleep(POLL_S)
        return ready_s or 0.0, time.monotonic() - began_s, latencies_ms
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def _is_healed(net: Devnet, total: int) -> bool:
    status = await net.status(1)
    peers = await net.peers(1)
    return status.get("last_commit", 0) >= total and bool(peers) and all(peer["caught_up"] for peer in peers)


async def _publish(url: str, live: list[bytes], latencies_ms: list[float]) -> None:
    """What the node serves meanwhile, at a pace."""
    waiting = list(live)
    async with Node(url) as node:
        while waiting:
            some, waiting = waiting[:LIVE_FRAMES], waiting[LIVE_FRAMES:]
            with suppress(Unreachable):  # it is only just starting
                began_s = time.monotonic()
                for outcomes in await asyncio.gather(*(node.publish_frame(frame) for frame in some)):
                    if not all(outcome.ok for outcome in outcomes):
                        raise LabError("a live envelope was refused")
                latencies_ms.append(1_000 * (time.monotonic() - began_s))
            await asyncio.sleep(LIVE_EVERY_S)
