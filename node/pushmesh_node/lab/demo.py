"""`pushmesh demo`: the main job once, on real processes and real sockets, with a power cut in the middle.

Three nodes; a dapp publishes at node 1; wallets listen at nodes 2 and 3 over WebSocket, SSE and MQTT; one wallet has
muted a
sender; node 3 is killed and started again while messages come. Everything that was accepted must arrive, once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pushmesh_client import Dapp, Draft, Inbox, Node, Published, SlotBook, Subscriber, new_wallet

from .devnet import Devnet
from .errors import LabError
from .narrator import Narrator
from .statistics import percentile

SINGLES_BEFORE, SINGLES_DOWN, SINGLES_AFTER = 6, 4, 6
UNWANTED = 3
WALLETS = ((1, "ws"), (1, "sse"), (1, "mqtt"), (2, "ws"), (2, "sse"), (2, "mqtt"))
"""Which node (from 0) each wallet uses, and how it listens."""
VICTIM = 2
ARRIVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What happened. `expected` counts (message, wallet) pairs; latency is of messages published while all nodes were
    up."""

    nodes: int
    published: int
    expected: int
    delivered: int
    duplicates: int
    vouchered: int
    held: int
    expected_held: int
    p50_ms: float
    p99_ms: float

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing twice, everything vouchered, the muted sender held back."""
        return not self.failure()

    def failure(self) -> str:
        """What is wrong, or an empty text."""
        wrong = []
        if self.delivered != self.expected:
            wrong.append(f"{self.delivered} of {self.expected} deliveries arrived")
        if self.duplicates:
            wrong.append(f"{self.duplicates} arrived twice")
        if self.vouchered != self.delivered:
            wrong.append(f"{self.vouchered} of {self.delivered} deliveries are vouchered")
        if self.held != self.expected_held:
            wrong.append(f"{self.held} of {self.expected_held} messages of the muted sender are held back")
        return "; ".join(wrong)

    def document(self) -> dict[str, Any]:
        """The last line of standard output."""
        return {
            "nodes": self.nodes,
            "published": self.published,
            "expected": self.expected,
            "delivered": self.delivered,
            "duplicates": self.duplicates,
            "vouchered": self.vouchered,
            "held": self.held,
            "p50_ms": round(self.p50_ms, 1),
            "p99_ms": round(self.p99_ms, 1),
        }


@dataclass(slots=True)
class Reader:
    """A wallet of the demonstration, what it should get and what it got."""

    name: str
    node_index: int
    transport: str
    subscriber: Subscriber
    inbox: Inbox
    expected: set[bytes] = field(default_factory=set)
    got: Counter[bytes] = field(default_factory=Counter)
    arrived_s: dict[bytes, float] = field(default_factory=dict)

    async def read(self) -> None:
        """Until cancelled."""
        async for message in self.inbox:
            self.got[message.id] += 1
            self.arrived_s.setdefault(message.id, time.monotonic())

    @property
    def missing(self) -> int:
        """Messages that have not come yet."""
        return len(self.expected - self.got.keys())


@dataclass(slots=True)
class Ledger:
    """What was published when, and which messages met a node that was down."""

    sent_s: dict[bytes, float] = field(default_factory=dict)
    during_outage: set[bytes] = field(default_factory=set)
    unwanted: list[Published] = field(default_factory=list)


async def run_demo(folder: Path, batch: int) -> Report:
    """Runs it all in `folder`. Raises LabError or ClientError where it cannot even be tried."""
    narrator = Narrator(7)
    async with Devnet(folder, 3) as net:
        await net.wait_meshed()
        narrator.step("three node processes are ready and have found each other over libp2p")
        async with _open_nodes(net) as nodes, _open_readers(nodes) as readers:
            dapp, nuisance = (Dapp(nodes[0], new_wallet(), SlotBook()) for _ in range(2))
            await _prepare(dapp, nuisance, readers)
            narrator.step(f"topics at node 1; {len(readers)} wallets subscribed at nodes 2 and 3, one muted a sender")
            async with _reading(readers):
                ledger = await _publish_all(net, dapp, nuisance, readers, batch, narrator)
                await _wait_for_all(readers, narrator)
                narrator.step("every wallet has everything that was meant for it")
                await _settle(readers)
            return await _report(nodes, readers, ledger, narrator)


@asynccontextmanager
async def _open_nodes(net: Devnet) -> AsyncIterator[list[Node]]:
    nodes = [Node(net.url(index)) for index in range(len(net.nodes))]
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.close()


@asynccontextmanager
async def _open_readers(nodes: list[Node]) -> AsyncIterator[list[Reader]]:
    readers = []
    for number, (index, transport) in enumerate(WALLETS, 1):
        subscriber = Subscriber(nodes[index], new_wallet(), SlotBook())
        await subscriber.grant()
        inbox = await subscriber.listen(transport, device="demo", cursor=None)
        readers.append(Reader(f"wallet {number}", index, transport, subscriber, inbox))
    yield readers


async def _prepare(dapp: Dapp, nuisance: Dapp, readers: list[Reader]) -> None:
    _must(await dapp.create_topic("prices", "Prices", description="What moved"), "the topic")
    _must(await nuisance.create_topic("airdrops", "Airdrops"), "the second topic")
    for reader in readers:
        _must(await reader.subscriber.subscribe(dapp.topic("prices")), f"{reader.name}'s subscription")
    for reader in readers[:2]:
        _must(await reader.subscriber.subscribe(nuisance.topic("airdrops")), f"{reader.name}'s subscription")
    await readers[0].subscriber.set_preferences(mute=[nuisance.wallet.display])


@asynccontextmanager
async def _reading(readers: list[Reader]) -> AsyncIterator[None]:
    """Every wallet listens; a wallet whose reading fails ends the demonstration."""
    async with asyncio.TaskGroup() as group:
        tasks = []
        for reader in readers:
            await reader.inbox.__aenter__()
            tasks.append(group.create_task(reader.read(), name=reader.name))
        try:
            async with asyncio.timeout(ARRIVAL_S):
                await asyncio.gather(*(reader.inbox.connected.wait() for reader in readers))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for reader in readers:
                await reader.inbox.__aexit__(None, None, None)


async def _publish_all(
    net: Devnet, dapp: Dapp, nuisance: Dapp, readers: list[Reader], batch: int, narrator: Narrator
) -> Ledger:
    ledger = Ledger()
    everyone = list(readers)
    for number in range(SINGLES_BEFORE):
        await _publish(dapp, ledger, everyone, Draft(title="Price", body=f"before the cut, number {number}"))
    for number in range(UNWANTED):
        draft = Draft(title="Free coins", body=f"number {number}")
        ledger.unwanted.append(await _publish(nuisance, ledger, readers[1:2], draft, "airdrops"))
    await _wait_for_all([reader for reader in readers if reader.node_index != VICTIM], narrator)
    narrator.step(f"{SINGLES_BEFORE + UNWANTED} notifications delivered; node {VICTIM + 1} loses its power (SIGKILL)")
    await net.kill(VICTIM)
    for number in range(SINGLES_DOWN):
        await _publish(dapp, ledger, everyone, Draft(title="Price", body=f"in the dark, number {number}"), outage=True)
    await _publish_batch(dapp, ledger, everyone, batch)
    narrator.step(f"meanwhile {SINGLES_DOWN} more, and {batch} individual ones under one wallet signature")
    restart = asyncio.create_task(net.restart(VICTIM))
    for number in range(SINGLES_AFTER // 2):
        await _publish(dapp, ledger, everyone, Draft(title="Price", body=f"it starts, number {number}"), outage=True)
    await restart
    await _wait_for_all(everyone, narrator)
    for number in range(SINGLES_AFTER - SINGLES_AFTER // 2):
        await _publish(dapp, ledger, everyone, Draft(title="Price", body=f"after the cut, number {number}"))
    narrator.step(f"node {VICTIM + 1} is back, has caught up, and new notifications flow")
    return ledger


async def _publish(
    dapp: Dapp, ledger: Ledger, readers: list[Reader], draft: Draft, name: str = "prices", *, outage: bool = False
) -> Published:
    started_s = time.monotonic()
    published = await dapp.publish(name, draft)
    _must(published, "a notification")
    _note(ledger, published, started_s, readers, outage)
    return published


async def _publish_batch(dapp: Dapp, ledger: Ledger, readers: list[Reader], count: int) -> None:
    meant_for = [readers[index % len(readers)] for index in range(count)]
    drafts = [
        Draft(title="Your order", body=f"Number {index} is filled.", to=[reader.subscriber.wallet.account])
        for index, reader in enumerate(meant_for)
    ]
    started_s = time.monotonic()
    for published, reader in zip(await dapp.publish_batch("prices", drafts), meant_for, strict=True):
        _must(published, "a notification of the batch")
        _note(ledger, published, started_s, [reader], True)


def _note(ledger: Ledger, published: Published, started_s: float, readers: list[Reader], outage: bool) -> None:
    ledger.sent_s[published.id] = started_s
    if outage:
        ledger.during_outage.add(published.id)
    for reader in readers:
        reader.expected.add(published.id)


def _must(published: Published, what: str) -> None:
    if not published.ok:
        raise LabError(f"node 1 refused {what}: {published.outcome.reason}: {published.outcome.detail}")


async def _wait_for_all(readers: list[Reader], narrator: Narrator) -> None:
    deadline = time.monotonic() + ARRIVAL_S
    while (missing := sum(reader.missing for reader in readers)) and time.monotonic() < deadline:
        narrator.progress(f"{missing} deliveries to come")
        await asyncio.sleep(0.02)


async def _settle(readers: list[Reader]) -> None:
    await asyncio.gather(*(reader.inbox.settle(timeout_s=20) for reader in readers))


async def _report(nodes: list[Node], readers: list[Reader], ledger: Ledger, narrator: Narrator) -> Report:
    points = [await node.points() for node in nodes]
    vouchered = sum(int(each["count"]) for each in points)
    held = 0
    for published in ledger.unwanted:
        answer = await readers[0].subscriber.explain(published.id, published.envelope.body.issued_at)
        decided = (answer["verdict"], answer["reason"])
        held += decided == ("hold", "muted-by-wallet") and not readers[0].got[published.id]
    narrator.step(f"the muted sender's {held} messages were held back: muted-by-wallet, says /v1/explain")
    latencies_ms = [
        1000 * (at_s - ledger.sent_s[id])
        for reader in readers
        for id, at_s in reader.arrived_s.items()
        if id in ledger.sent_s and id not in ledger.during_outage
    ]
    again = sum(reader.inbox.counts.duplicates for reader in readers)
    narrator.say(f"copies that came again after a lost connection and were dropped by their id: {again}")
    return Report(
        nodes=len(nodes),
        published=len(ledger.sent_s),
        expected=sum(len(reader.expected) for reader in readers),
        delivered=sum(len(reader.got) for reader in readers),
        duplicates=sum(reader.got.total() - len(reader.got) for reader in readers),
        vouchered=vouchered,
        held=held,
        expected_held=len(ledger.unwanted),
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
    )
