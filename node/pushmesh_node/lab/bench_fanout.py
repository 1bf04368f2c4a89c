"""`pushmesh bench fanout`: one publish to many WebSocket wallets, against a server that only writes.

A node process as it ships: every publish is verified, committed and synced before a byte of it goes out, each stream's
place moves on, deliveries are counted, and every wallet acknowledges as the SDK does; acknowledgements are durable
before they are answered. The bare server (`bare_fanout`) writes frames of the same size to as many connections, and as
many of them in one write. The same reader (`crowd`) reads both, by turns, and keeps as many publishes under way.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushmesh_client import Node, new_wallet
from pushmesh_client.vouching import EVERY_MESSAGES
from pushmesh_client.wallet import Wallet
from pushmesh_protocol.network import Network

from .cpu_time import main_thread_cpu_s
from .devnet import Devnet
from .errors import LabError
from .followers import Author, follow, log_ins
from .memory import resident_mb
from .narrator import Narrator
from .networks import shipped_network
from .statistics import median
from .worker import Worker
from .workload import stream_messages

NETWORK = "bench"
WINDOW = 2
"""Publishes that are not with every wallet yet."""
QUEUED = 10
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class FanoutPlan:
    """Wallets, and how many publishes in each of so many slices; a batched slice has a quarter of them."""

    subscribers: int
    publishes: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Deliveries a second, and the CPU time that one takes the loop that writes it and the process that reads it."""

    rate: float
    cpu_us: float
    client_us: float


@dataclass(frozen=True, slots=True)
class FanoutRound:
    """The node and the bare server, one message at a time and QUEUED together, within seconds of each other."""

    single: Slice
    limit: Slice
    batched: Slice
    limit_batched: Slice


async def measure_fanout(folder: Path, plan: FanoutPlan) -> dict[str, float]:
    """The figures; rates are deliveries a second. Raises LabError."""
    narrator = Narrator(3)
    network = shipped_network(NETWORK)
    author = Author(network)
    wallets = [new_wallet() for _ in range(plan.subscribers)]
    async with Devnet(folder, 1, network=NETWORK) as net, Node(net.url(0)) as node:
        await follow(node, network, wallets, author.topic)
        narrator.step(f"{plan.subscribers:,} wallets subscribed")
        pid = net.nodes[0].pid
        assert pid is not None  # it is ready
        crowd = await Worker.start(f"{__package__}.crowd")
        bare = await Worker.start(f"{__package__}.bare_fanout")
        try:
            writer = await bare.answer()
            kb_per_connection = await connect(crowd, folder, node, pid, network, wallets)
            await crowd.ask({"bare": writer["port"]})
            narrator.step(f"they listen: {kb_per_connection:.1f} kB resident each")
            bench = _Bench(crowd, pid, writer["pid"], folder, author, plan)
            await bench.play(4)  # a warm-up
            rounds = [await bench.play(plan.publishes) for _ in range(plan.rounds)]
        finally:
            await crowd.stop()
            await bare.stop()
    narrator.step(f"{plan.rounds} rounds played")
    return report_of(rounds, kb_per_connection)


def report_of(rounds: list[FanoutRound], kb_per_connection: float) -> dict[str, float]:
    """Medians; ratios are taken within each round."""
    pairs = [(each.single, each.limit) for each in rounds]
    queued = [(each.batched, each.limit_batched) for each in rounds]
    return {
        "rate": round(median([each.single.rate for each in rounds])),
        "limit_rate": round(median([each.limit.rate for each in rounds])),
        "ratio": round(median([node.rate / bare.rate for node, bare in pairs]), 3),
        "batched_rate": round(median([each.batched.rate for each in rounds])),
        "batched_speedup": round(median([each.batched.rate / each.single.rate for each in rounds]), 2),
        "limit_batched_rate": round(median([each.limit_batched.rate for each in rounds])),
        "limit_batched_speedup": round(median([each.limit_batched.rate / each.limit.rate for each in rounds]), 2),
        "batched_ratio": round(median([node.rate / bare.rate for node, bare in queued]), 3),
        **_cpu_of("", [each.single for each in rounds]),
        **_cpu_of("batched_", [each.batched for each in rounds]),
        **_cpu_of("limit_", [each.limit for each in rounds]),
        **_cpu_of("limit_batched_", [each.limit_batched for each in rounds]),
        "kb_per_connection": round(kb_per_connection, 2),
    }


def _cpu_of(name: str, slices: list[Slice]) -> dict[str, float]:
    """Of whoever writes, and of the reader."""
    return {
        f"{name}cpu_us": round(median([each.cpu_us for each in slices]), 2),
        f"{name}client_cpu_us": round(median([each.client_us for each in slices]), 2),
    }


async def connect(crowd: Worker, folder: Path, node: Node, pid: int, network: Network, wallets: list[Wallet]) -> float:
    """Every wallet listens; returns what the node's resident memory grew by for each, in kB of 1,000 bytes."""
    path = folder / "log-ins.json"
    path.write_text(json.dumps(await log_ins(node, network, wallets)))
    await asyncio.sleep(SETTLE_S)
    before_mb = resident_mb(pid)
    await crowd.ask({"listen": str(path), "host": node.url.host, "port": node.url.port})
    await asyncio.sleep(SETTLE_S)
    return (resident_mb(pid) - before_mb) * 1_000 / len(wallets)


class _Bench:
    """A node with its crowd, beside the bare server with as large a one."""

    def __init__(self, crowd: Worker, pid: int, bare_pid: int, folder: Path, author: Author, plan: FanoutPlan) -> None:
        self._crowd = crowd
        self._pid = pid
        self._bare_pid = bare_pid
        self._folder = folder
        self._author = author
        self._plan = plan

    async def play(self, publishes: int) -> FanoutRound:
        """One slice of each kind."""
        requests = max(2, publishes // 4)
        single, size = await self._publish(publishes, 1)
        limit = await self._write(publishes, 1, size)
        batched, size = await self._publish(requests, QUEUED)
        return FanoutRound(single, limit, batched, await self._write(requests, QUEUED, size))

    async def _publish(self, requests: int, each: int) -> tuple[Slice, int]:
        """Of the node, and the bytes of one message."""
        path = self._folder / "fanout.messages"
        frames = await asyncio.to_thread(lambda: [self._author.frame(each) for _ in range(requests)])
        await asyncio.to_thread(path.write_bytes, stream_messages(frames))
        order = {"publish": str(path), "each": each, "window": WINDOW, "ack_every": EVERY_MESSAGES}
        answer, cpu_s = await self._ask(order, self._pid)
        if answer["durable"] != requests * each:
            raise LabError(f"{requests * each} were published, {answer['durable']} are durable")
        return self._slice(answer, cpu_s, requests * each), answer["size"]

    async def _write(self, requests: int, each: int, size: int) -> Slice:
        """Of the bare server."""
        order = {"write": requests, "size": size, "each": each, "window": WINDOW}
        return self._slice(*await self._ask(order, self._bare_pid), requests * each)

    async def _ask(self, order: dict[str, Any], pid: int) -> tuple[dict[str, Any], float]:
        """The crowd's answer, and the seconds of CPU that the loop of this process took."""
        cpu_s = main_thread_cpu_s(pid)
        answer = await self._crowd.ask(order)
        return answer, main_thread_cpu_s(pid) - cpu_s

    def _slice(self, answer: dict[str, Any], cpu_s: float, messages: int) -> Slice:
        deliveries = messages * self._plan.subscribers
        return Slice(deliveries / answer["seconds"], cpu_s * 1e6 / deliveries, answer["cpu_s"] * 1e6 / deliveries)
