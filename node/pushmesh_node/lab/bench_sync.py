"""`pushmesh bench sync`: what two processes, each with its own set of records, spend to find out which of them only one
of the two has."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from .errors import LabError
from .worker import Worker

SIDE = "pushmesh_node.lab.sync_side"


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Both sides hold `records`, of which the other lacks `missing`. A single one only the asking side lacks: that is
    the figure which is published of this protocol.

    One bucket is reconciled as such; of many, fingerprints are compared first."""

    records: int
    missing: int
    seed: int = 1
    buckets: int = 1

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
    bytes of the side that took more. Of many buckets also `"bytes_per_bucket"`. Raises LabError if the asking side did
    not find exactly what it lacks."""
    asker, asked = await asyncio.gather(Worker.start(SIDE), Worker.start(SIDE))
    try:
        built = await asyncio.gather(_build(asker, plan, plan.asker_lacks), _build(asked, plan, plan.asked_lacks))
        began_s = time.perf_counter()
        round_trips, size_bytes = await _reconcile(asker, asked)
        seconds = time.perf_counter() - began_s
        ends = [await side.ask({"end": True}) for side in (asker, asked)]
    finally:
        await asyncio.gather(asker.stop(), asked.stop())
    if not ends[0]["found_all"]:
        raise LabError("reconciliation did not find what was missing")
    report = {
        "round_trips": round_trips,
        "bytes": size_bytes,
        "seconds": round(seconds, 4),
        "cpu_s": round(max(end["cpu_s"] for end in ends), 4),
        "bytes_per_record": round(max(each["resident_bytes"] / max(1, each["records"]) for each in built), 1),
    }
    return report if plan.buckets == 1 else report | {"bytes_per_bucket": round(size_bytes / plan.buckets, 1)}


async def _build(side: Worker, plan: SyncPlan, lacks: tuple[int, int]) -> dict[str, Any]:
    order = {"made": plan.made, "seed": plan.seed, "lacks": lacks, "buckets": plan.buckets}
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
