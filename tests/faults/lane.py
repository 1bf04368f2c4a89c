"""One lane of a campaign: nodes under load, a publisher at the first, subscribers at each, one history of it all."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.process import NodePlan
from support.processes import a_plan, eventually
from support.wallets import a_wallet

from .checker import Verdict, check
from .history import Durable, Ended, History, Struck
from .looking import look_through
from .nodes import FaultyNode
from .publisher import LIFE_MS, TOPIC, Publisher
from .subscribers import Application, CursorReader

WINDOW: Final = 16
RATE: Final = 100
LOOK_EVERY: Final = 40
SETTINGS: Final[dict[str, Any]] = {
    "mqtt__enabled": False,
    "verify__processes": 1,
    "gossip__restart_delay_s": 0.1,
}


@dataclass(slots=True)
class LaneReport:
    """What a lane came to."""

    kills: Counter[str] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)
    """When each kill fell, since the lane began."""
    starts_s: list[float] = field(default_factory=list)
    node_faults: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


Progress = Callable[[str], None]
Blow = Callable[["Lane", FaultyNode], Awaitable[str]]
"""Kills something of a node under load, and says what; a main process that it killed is started again by the lane."""


class Lane:
    """Nodes, a publisher at the first, subscribers at each."""

    def __init__(
        self,
        name: str,
        folder: Path,
        seed: int,
        nodes: int,
        progress: Progress,
        *,
        life_ms: int = LIFE_MS,
        **settings: object,
    ) -> None:
        """What is published lives `life_ms`; `settings` are further keys of every node, two underscores for the dot."""
        self.name = name
        self.random = Random(f"{seed}/{name}")
        self.history = History()
        self.report = LaneReport()
        self._progress = progress
        self._network = shipped_network("devnet")
        self._began_s = time.monotonic()
        plans: list[NodePlan] = []
        for number in range(nodes):
            mesh = {"mesh": True} if nodes > 1 and not plans else {}
            plans.append(a_plan(folder, f"{name}{number}", plans, **SETTINGS, **settings, **mesh))
        self.nodes = [FaultyNode(plan) for plan in plans]
        wallet = 1 if nodes == 1 else 11
        self.publisher = Publisher(
            self._network, a_wallet(wallet), self.history, self.random, rate=RATE, life_ms=life_ms
        )
        self._readers = [
            CursorReader(f"reader at {node.plan.name}", self._network, a_wallet(wallet + 1 + place), self.history)
            for place, node in enumerate(self.nodes)
        ]
        self._app = Application(f"app of {name}", self._network, a_wallet(wallet + 5), self.history)
        self._tasks: list[asyncio.Task[None]] = []
        self._load: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Lane":
        """Starts everything; what was started has ended where that fails."""
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _begin(self) -> None:
        await asyncio.gather(*(node.ready() for node in self.nodes))
        topic = self.publisher.wallet.topic(TOPIC)
        for reader, node in zip(self._readers, self.nodes, strict=True):
            await reader.subscribe(node.plan.url, topic, TOPIC)
            self._tasks.append(asyncio.create_task(reader.run(node.plan.name, node.plan.url)))
        urls = [node.plan.url for node in reversed(self.nodes)]
        self._tasks.append(asyncio.create_task(self._app.run(urls, topic, TOPIC)))

    async def __aexit__(self, *_: object) -> None:
        """Ends every process and task that this lane started."""
        for task in [*self._tasks, *([self._load] if self._load else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, *([self._load] if self._load else []), return_exceptions=True)
        for node in self.nodes:
            await node.client.close()
            await node.kill()
            node.close()

    @property
    def first(self) -> FaultyNode:
        """The node that is published to."""
        return self.nodes[0]

    async def strike(self, node: FaultyNode, blow: Blow) -> None:
        """One kill while the load goes on; then the node runs again, and what was left open is settled."""
        self._publish()
        name = await blow(self, node)
        self.history.add(Struck(node.plan.name, name))
        self.report.kills[name] += 1
        self.report.times_s.append(time.monotonic() - self._began_s)
        if not node.running:
            node.control.disarm()
            await self._revive(node)
        self._watch()

    async def _revive(self, node: FaultyNode) -> None:
        if node is self.first:
            await self.rest()
        if self.report.kills.total() % LOOK_EVERY == 0:
            self.history.add(await look_through(node.plan.name, self._network, node.plan.folder))
        await node.ready()
        if node is self.first:
            await self.publisher.settle(node.plan.name, node.plan.url)

    def _publish(self) -> None:
        if self._load is not None and self._load.done():
            self._load.result()
            self._load = None
        if self._load is None:
            self._load = asyncio.create_task(self.publisher.run(self.first.plan.name, self.first.plan.url, WINDOW))

    async def rest(self) -> None:
        """No load; the stream has ended."""
        if self._load is not None:
            if self.first.running:
                self._load.cancel()
            with suppress(asyncio.CancelledError):
                await self._load
            self._load = None

    def _watch(self) -> None:
        """A client that failed by itself ends the campaign."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a client ended")
        done = self.report.kills.total()
        if done % 10 == 0:
            self._progress(f"{self.name}: {done} faults, {self.publisher.durable} durable answers")

    async def conclude(self) -> LaneReport:
        """Wait until every subscriber has everything, look through every store, judge."""
        await self.rest()
        await self.publisher.settle(self.first.plan.name, self.first.plan.url)
        wanted = {event.id for event in self.history.events if isinstance(event, Durable)}
        got = [self._app.got, *(reader.got for reader in self._readers)]

        async def all_have_it() -> bool:
            return all(wanted <= each for each in got)

        with suppress(AssertionError):  # what is missing the checker tells, with its story
            await eventually(all_have_it, "everything at every subscriber")
        for node in self.nodes:
            await node.stop()
            self.history.add(await look_through(node.plan.name, self._network, node.plan.folder))
            self.report.starts_s += node.starts_s
            self.report.node_faults += [f"{node.plan.name}: {line[:300]}" for line in node.faults()]
        self.history.add(Ended(time.time_ns() // 1_000_000))
        self.report.verdict = check(self.history.events, self._network)
        return self.report
