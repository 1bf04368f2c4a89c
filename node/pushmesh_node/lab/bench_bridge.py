"""`bridge_ratio` of `pushmesh bench mqtt`: the bridge of a real node against bare aiomqtt, which publishes the same
payloads to the same Mosquitto.

The bridge reads the store, opens, decides and encodes each message, and remembers the place that the broker confirmed;
the bare side has its payloads ready, and sends them without properties. Both have as many publishes unconfirmed, both
run in this process, by turns, and the time of each is from dialling to the last confirmation.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiomqtt

from pushmesh_protocol.accounts import Topic, display_topic

from ..app.bridging import build_bridges, outline_of
from ..app.compose import open_store, read_network
from ..app.node import Node
from ..config import BridgeConfig, Config, load_config
from ..delivery.bridge import sources
from ..delivery.messages import MessageForms
from ..engine.answers import Level
from ..metrics import Metrics
from .errors import LabError
from .mosquitto import running_mosquitto
from .narrator import Narrator
from .statistics import median
from .workload import TOPIC_NAME, new_authors, plan_jobs, sign_all

POLL_S: Final = 0.002
SLICE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """So many messages by so many turns of each side, `window` of them unconfirmed."""

    messages: int = 2_000
    rounds: int = 7
    window: int = 64


async def measure_bridge(folder: Path, plan: BridgePlan) -> dict[str, float]:
    """`{"bridge_rate", "aiomqtt_rate", "bridge_ratio"}`: messages a second, medians of the rounds, and the median of
    their ratios. Raises LabError."""
    narrator = Narrator(2)
    network = "bench"
    authors = new_authors(1)
    topic = Topic(authors.wallets[0].account, TOPIC_NAME)
    jobs = plan_jobs(authors, network, plan.messages, 0, authors.wallets[0].account)
    frames = await sign_all(jobs, lambda done, total: narrator.progress(f"signing: {100 * done // total} %"))
    narrator.step(f"{len(frames):,} broadcasts signed")
    flags = {"node.data_dir": str(folder), "node.network": network, "gossip.enabled": False}
    config = load_config(None, {}, flags)
    ours: list[float] = []
    bare: list[float] = []
    async with running_mosquitto(folder) as (port, _), _a_node(config) as node:
        await _publish(node, frames)
        payloads = await _payloads(node, topic, port, plan)
        for number in range(plan.rounds + 1):
            bridged_s = await _bridge(node, topic, port, plan, number)
            bare_s = await _bare(port, display_topic(topic), payloads, plan.window)
            if number:  # the first round warms both up
                ours.append(plan.messages / bridged_s)
                bare.append(plan.messages / bare_s)
                narrator.progress(f"round {number} of {plan.rounds}: {ours[-1]:,.0f} and {bare[-1]:,.0f} a second")
    narrator.step(f"{plan.rounds} rounds of each side")
    return {
        "bridge_rate": round(median(ours), 1),
        "aiomqtt_rate": round(median(bare), 1),
        "bridge_ratio": round(median([mine / theirs for mine, theirs in zip(ours, bare, strict=True)]), 3),
    }


@asynccontextmanager
async def _a_node(config: Config) -> AsyncIterator[Node]:
    """A whole node but for its doors."""
    network = read_network(config)
    seed = secrets.token_bytes(32)
    store = await open_store(config, network, seed)
    node = Node(config, network, seed, store, Metrics())
    try:
        await node.restore()
        running = [asyncio.create_task(each) for each in (node.run(), node.broadcasts.run())]
        yield node
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    finally:
        await node.close()


async def _publish(node: Node, frames: Sequence[bytes]) -> None:
    for at in range(0, len(frames), 256):
        for outcomes in await node.publishing.publish(frames[at : at + 256]):
            if any(outcome.level is not Level.DURABLE for outcome in outcomes):
                raise LabError(f"not every envelope was durable: {outcomes}")


def _keys(topic: Topic, port: int, plan: BridgePlan, number: int) -> BridgeConfig:
    """A new name starts at the beginning."""
    return BridgeConfig(
        name=f"round-{number}",
        url=f"mqtt://127.0.0.1:{port}",
        topics=(display_topic(topic),),
        max_in_flight=plan.window,
    )


async def _payloads(node: Node, topic: Topic, port: int, plan: BridgePlan) -> list[bytes]:
    """What the bridge publishes, byte for byte."""
    forms = MessageForms(node.store.incarnation)
    settings = outline_of(_keys(topic, port, plan, 0))
    (source,) = sources(settings, node.inboxes, node.broadcasts, node.node_id)
    page = await source.inboxes.read(source.principal, 0, None, plan.messages + 1)
    if len(page.messages) != plan.messages:
        raise LabError(f"the store has {len(page.messages)} broadcasts")
    return [forms.message(message) for message in page.messages]


async def _bridge(node: Node, topic: Topic, port: int, plan: BridgePlan, number: int) -> float:
    """Seconds until the last message counted."""
    settings = outline_of(_keys(topic, port, plan, number))
    (source,) = sources(settings, node.inboxes, node.broadcasts, node.node_id)
    (bridge,) = build_bridges([settings], node, MessageForms(node.store.incarnation))
    last = node.store.last_commit
    began_s = time.perf_counter()
    running = asyncio.create_task(bridge.run(), name=bridge.name)
    try:
        async with asyncio.timeout(SLICE_S):
            while (await source.inboxes.acknowledged(source.principal, f"bridge:{settings.name}") or 0) < last:
                await asyncio.sleep(POLL_S)
                if running.done():
                    running.result()
        return time.perf_counter() - began_s
    except TimeoutError as error:
        raise LabError(f"the bridge was not through after {SLICE_S:g} s") from error
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def _bare(port: int, topic: str, payloads: Sequence[bytes], window: int) -> float:
    """Seconds until the last confirmation."""
    waiting = iter(payloads)
    began_s = time.perf_counter()
    client = aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, max_inflight_messages=window, timeout=SLICE_S
    )
    client.pending_calls_threshold = 2 * window

    async def lane() -> None:
        for payload in waiting:
            await client.publish(f"bare/{topic}", payload, qos=1)

    async with client:
        async with asyncio.TaskGroup() as group:
            for _ in range(window):
                group.create_task(lane())
        return time.perf_counter() - began_s
