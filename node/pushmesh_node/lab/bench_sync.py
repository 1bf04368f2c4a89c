"""`pushmesh bench sync`: what two processes, each with its own set of records in one bucket, spend to find out which
records only one of them has."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from .errors import LabError
from .worker import Worker

SIDE = "pushmesh_node.lab.sync_side"


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Both sides hold `records`, of which the other lacks `missing`. One missing record is the asking side's alone:
    the figure that this protocol is known by."""

    records: int
    missing: int
    seed: int = 1

    @property
    def asker_lacks(self) -> tuple[int, int]:
        """From and up to which of the numbers of all records."""
        return 0, self.missing

    @property
    def asked_lacks(self) -> tuple[int, int]:
        """The same of the other side."""
        return self.missing, self.missing + (self.missing if self.missing > 1 else 0)

    @property
    def made(self) -> int:
        """How many records there are in all."""
        return self.records + (self.missing if self.missing > 1 else 0)


async def measure_sync(plan: SyncPlan) -> dict[str, float]:
    """`{"round_trips", "bytes", "seconds", "cpu_s", "bytes_per_record"}`: bytes both ways; CPU seconds and resident
    bytes of the side that took more. Raises LabError if what was found is not what was missing."""
    asker, asked = await asyncio.gather(Worker.start(SIDE), Worker.start(SIDE))
    try:
        built = await asyncio.gather(_build(asker, plan, plan.asker_lacks), _build(asked, plan, plan.asked_lacks))
        began_s = time.perf_counter()
        round_trips, size_bytes = await _reconcile(asker, asked)
        seconds = time.perf_counter() - began_s
        ends = [await side.ask({"end": True}) for side in (asker, asked)]
    finally:
        await asyncio.gather(asker.stop(), asked.stop())
    low, high = plan.asked_lacks
    if not ends[0]["found_all"] or ends[0]["owed"] != high - low:
        raise LabError("reconciliation did not find what was missing")
    return {
        "round_trips": round_trips,
        "bytes": size_bytes,
        "seconds": round(seconds, 4),
        "cpu_s": round(max(end["cpu_s"] for end in ends), 4),
        "bytes_per_record": round(max(each["resident_bytes"] / max(1, each["records"]) for each in built), 1),
    }


async def _build(side: Worker, plan: SyncPlan, lacks: tuple[int, int]) -> dict[str, Any]:
    order = {"made": plan.made, "seed": plan.seed, "lacks": lacks}
    return await side.ask({"build": order}, timeout_s=30 + plan.made / 10_000)


async def _reconcile(asker: Worker, asked: Worker) -> tuple[int, int]:
    """Round trips, and bytes of all messages."""
    round_trips = size_bytes = 0
    question = (await asker.ask({"open": True}))["message"]
    while question is not None:
        answer = (await asked.ask({"respond": question}))["message"]
        round_trips, size_bytes = round_trips + 1, size_bytes + (len(question) + len(answer)) // 2
        question = (await asker.ask({"receive": answer}))["message"]
    return round_trips, size_bytes
