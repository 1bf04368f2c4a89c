"""Power cuts: one recorded run of a real node, then many disks that it may have left, each opened by the store."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.storage import StoreError, StoreFailed
from pushmesh_protocol.network import Network
from support.processes import a_plan
from support.wallets import a_wallet

from .checker import Counterexample, check
from .control import Action, Call
from .disk import Change, Disk, Operation, Survival, read_log, write_image
from .history import Durable, Ended, Event, History, Struck
from .looking import STORE, read_store
from .nodes import FaultyNode
from .publisher import Publisher

NODE = "alone"
FAILING_S = 0.2


class StampedHistory(History):
    """Knows how long the record of changes was when each event was seen."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.stamps: list[int] = []
        self._log = log

    def add(self, event: Event) -> None:
        """Whatever the client knew then had happened when the record was this long, or before."""
        super().add(event)
        self.stamps.append(self._log.stat().st_size if self._log.exists() else 0)

    def before(self, size: int) -> list[Event]:
        """What was known when the record had this size."""
        return self.events[: bisect_right(self.stamps, size)]


@dataclass(slots=True)
class Recorded:
    """One run: every change of the data folder, and what the publisher knew at each."""

    network: Network
    changes: list[Change]
    history: StampedHistory


@dataclass(slots=True)
class PowerReport:
    """What the images came to."""

    images: int = 0
    by_survival: Counter[str] = field(default_factory=Counter)
    promises: int = 0
    """Envelopes that were acknowledged before a cut, summed over the images."""
    broken: list[Counterexample] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    """Images that the store would not open."""


async def record(folder: Path, random: Random, seconds: float, *, rate: float = 150, stopped: bool = True) -> Recorded:
    """A node under load for so long, whose disk fails for moments; half way it is killed while it does, and at the end
    it is killed too unless it is to be stopped."""
    network = shipped_network("devnet")
    log = folder / "changes"
    plan = a_plan(folder, NODE, mqtt__enabled=False, verify__processes=1)
    history = StampedHistory(log)
    publisher = Publisher(network, a_wallet(1), history, random, rate=rate)
    node = FaultyNode(plan, log=log)
    try:
        for turn in range(2):
            await node.ready()
            load = asyncio.create_task(publisher.run(NODE, plan.url, 16))
            await asyncio.sleep(seconds / 4)
            node.control.arm(Call.LOG_SYNC, Action.FAIL, 3, times=2, argument=5)
            await asyncio.sleep(seconds / 4)
            node.control.disarm()
            if turn and stopped:
                await node.stop()
            else:
                node.control.arm(Call.LOG_SYNC, Action.FAIL, times=-1, argument=5)
                await asyncio.sleep(FAILING_S)
                await node.kill()
                node.control.disarm()
            await load
            history.add(Struck(NODE, "stopped" if turn and stopped else "killed"))
    finally:
        await node.client.close()
        await node.kill()
        node.close()
    assert publisher.durable, "nothing was published"
    return Recorded(network, read_log(log), history)


async def cut_power(recorded: Recorded, seed: int, images: int, report: PowerReport) -> PowerReport:
    """Cut it at random moments, mostly just before or after a sync; each image is decided by its own number alone."""
    syncs = [place for place, change in enumerate(recorded.changes, 1) if change.operation is Operation.SYNC]
    for number in range(images):
        random = Random(f"{seed}/{number}")
        if random.random() < 0.7:
            place = max(1, random.choice(syncs) + random.randint(-6, 6))
        else:
            place = random.randint(1, len(recorded.changes))
        await _cut(recorded, random, min(place, len(recorded.changes)), f"{seed}/{number}", report)
    return report


async def _cut(recorded: Recorded, random: Random, place: int, label: str, report: PowerReport) -> None:
    disk = Disk(random)
    for change in recorded.changes[:place]:
        disk.take(change)
    survival = random.choice(list(Survival))
    known = recorded.history.before(recorded.changes[place - 1].end)
    report.images += 1
    report.by_survival[survival] += 1
    report.promises += sum(isinstance(event, Durable) for event in known)
    with TemporaryDirectory(prefix="faults-image-") as folder:
        write_image(disk.image(survival), Path(folder))
        try:
            held = await read_store(NODE, recorded.network, Path(folder) / STORE)
        except (StoreError, StoreFailed) as error:
            report.unusable.append(f"image {label}, {survival} at change {place}: {error}")
            return
    cut = Struck(NODE, f"power cut at change {place}, {survival} survived (image {label})")
    verdict = check([*known, cut, held, Ended(time.time_ns() // 1_000_000)], recorded.network)
    report.broken += verdict.counterexamples
