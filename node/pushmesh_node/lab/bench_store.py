"""`pushmesh bench store`: how much of its insert rate the store keeps when it is full, on this machine's disk.

The same groups go into an empty store and into a full one, by turns: machines change their speed, ratios less. Frames
are random bytes of a notification's size; the store never looks into them.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account, EnvelopeId, Epoch, UnixMs

from ..engine.records import Record
from ..storage import Store
from .narrator import Narrator
from .statistics import median

FRAME_BYTES = 600
TOPICS, WALLETS = 1_000, 10_000
EPOCH_MS = 3_600_000
LIFE_MS = 7 * DAY_MS
BATCHES = (64, 1_024)
"""Records of one commit: what a busy way in makes, and the largest that it may."""
FILL_RECORDS = 4_096
SLICE_RECORDS = 8_192


@dataclass(frozen=True, slots=True)
class StorePlan:
    """`records` in the full store; so many slices of each side and batch size."""

    records: int
    rounds: int


class Traffic:
    """Records as they come over a day of steady publishing: half of them to everybody, half to one wallet each."""

    def __init__(self, seed: int, per_day: int) -> None:
        self._random = random.Random(seed)
        self._step_ms = DAY_MS / per_day
        self._began_ms = time.time_ns() // 1_000_000 - DAY_MS
        self._topics = [Topic(self._account(), f"topic-{number}") for number in range(TOPICS)]
        self._wallets = [self._account() for _ in range(WALLETS)]
        self._made = 0

    def records(self, first_commit: int, count: int) -> list[Record]:
        """The next ones, numbered from `first_commit` on."""
        return [self._record(first_commit + place) for place in range(count)]

    def _account(self) -> Account:
        return evm_account(self._random.randbytes(20))

    def _record(self, commit_no: int) -> Record:
        rng = self._random
        issued_at = int(self._began_ms + self._made * self._step_ms)
        self._made += 1
        topic = rng.choice(self._topics)
        seq = rng.randrange(2**31)
        return Record(
            first_commit=commit_no,
            kind=Kind.NOTIFICATION,
            author=Account(topic.owner),
            topic=topic,
            epoch=Epoch(issued_at // EPOCH_MS),
            first_seq=seq,
            end_seq=seq + 1,
            issued_at=UnixMs(issued_at),
            expires_at=UnixMs(issued_at + LIFE_MS),
            ids=(EnvelopeId(rng.randbytes(32)),),
            issued_ats=(UnixMs(issued_at),),
            audiences=(None if commit_no % 2 else (rng.choice(self._wallets),),),
            sent=True,
            data=rng.randbytes(FRAME_BYTES),
        )


class Side:
    """One store and what goes into it."""

    def __init__(self, store: Store, traffic: Traffic) -> None:
        self.store = store
        self._traffic = traffic
        self._next = store.last_commit + 1

    async def put(self, records: int, batch: int) -> float:
        """Commit so many in batches, one after the other; records a second, without the time that making them took."""
        groups = []
        for _ in range(records // batch):
            groups.append(self._traffic.records(self._next, batch))
            self._next += batch
        began_s = time.perf_counter()
        for group in groups:
            await self.store.commit(group)
        return records / (time.perf_counter() - began_s)


async def measure_store(folder: Path, plan: StorePlan) -> dict[str, float]:
    """Rates of both stores by batch size, and the medians of their ratios."""
    narrator = Narrator(4)
    full = Side(await _open(folder / "full.db"), Traffic(1, plan.records))
    try:
        await _fill(full, plan.records, narrator)
        narrator.step(f"{plan.records:,} records stand in the full store")
        report: dict[str, float] = {"rows": plan.records}
        for batch in BATCHES:
            report |= await _compare(folder, full, batch, plan, narrator)
        stats = await full.store.stats()
        report["bytes_per_record"] = round(stats.file_bytes / stats.items, 1)
    finally:
        await full.store.close()
    narrator.step("done")
    return report


async def _open(path: Path) -> Store:
    return await Store.open(path, new_incarnation=os.urandom(16))


async def _fill(full: Side, records: int, narrator: Narrator) -> None:
    done = 0
    while done < records:
        await full.put(FILL_RECORDS, FILL_RECORDS)
        done += FILL_RECORDS
        narrator.progress(f"filling: {100 * done // records} %")


async def _compare(folder: Path, full: Side, batch: int, plan: StorePlan, narrator: Narrator) -> dict[str, float]:
    """Slices by turns, each empty one in a file of its own; the first pair warms up and does not count."""
    empties: list[float] = []
    fulls: list[float] = []
    for number in range(plan.rounds + 1):
        path = folder / f"empty-{batch}-{number}.db"
        empty = Side(await _open(path), Traffic(number, plan.records))
        try:
            rate = await empty.put(SLICE_RECORDS, batch)
        finally:
            await empty.store.close()
        _remove(path)
        full_rate = await full.put(SLICE_RECORDS, batch)
        if number:
            empties.append(rate)
            fulls.append(full_rate)
        narrator.progress(f"batches of {batch}: {rate:,.0f} into the empty, {full_rate:,.0f} into the full store")
    ratios = [one / other for one, other in zip(fulls, empties, strict=True)]
    narrator.step(f"batches of {batch}: {min(ratios):.2f} to {max(ratios):.2f} of the empty store's rate")
    return {
        f"empty_rate_{batch}": round(median(empties), 1),
        f"full_rate_{batch}": round(median(fulls), 1),
        f"ratio_{batch}": round(median(ratios), 4),
    }


def _remove(path: Path) -> None:
    forget: Callable[[Path], None] = lambda one: one.unlink(missing_ok=True)  # noqa: E731  # one line, three files
    for suffix in ("", "-wal", "-shm", ".lock"):
        forget(path.with_name(path.name + suffix))
