"""`pushmesh bench gossip`: what a mesh of real nodes takes until every envelope is on the disk of every node.

N node processes as they ship, meshed on loopback, and one load generator at the first of them, which also looks at all
disks. Beside it the same with bare sockets in libp2p's place, py-libp2p's own gossipsub between two processes, and
slices of bare recovery on one thread, all in turns: machines change their speed, ratios less.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pushmesh_client import new_wallet

from .bench_gossip_stock import StockPair
from .cpu_time import descendant, main_thread_cpu_s, tree_cpu_s
from .devnet import Devnet
from .errors import LabError
from .narrator import Narrator
from .recovery import RecoverySlices
from .statistics import median, percentile
from .worker import Worker
from .workload import Authors, new_authors, plan_jobs, sign_all, stream_messages

NETWORK = "bench"
SETTINGS = {"publish.least_units": 16_384}
"""One publisher who waits for the last disk of all: its window is what bounds the way in, not the first node's pace."""

STORE_NAME = "pushmesh.db"
GOSSIP_MODULE, BARE_GOSSIP_MODULE = "pushmesh_node.peer", f"{__package__}.bare_peer"
BARE_NODE_MODULE = f"{__package__}.bare_node"

ROUND_S = 5.0
LOWER_BOUND_EVERY = 2
PACE_SHARE = 0.8
WARM_UP_MESSAGES, FIRST_TRY_S = 2_000, 2.0
MESH_S = 3.0
"""Three heartbeats, in which nodes that are connected take each other into their meshes."""

IDLE_S = 0.3
STOCK_MESSAGES = 800
RUN_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class GossipPlan:
    """`window` envelopes are on their way to the last disk while the rate is sought, for `seconds` in all; then for
    as long again 80 % of it is sent to the mesh, and as much to the one over bare sockets."""

    nodes: int
    seconds: float
    window: int
    wallets: int

    @property
    def rounds(self) -> int:
        """Of the search for the rate."""
        return max(1, round(self.seconds / ROUND_S))


@dataclass(frozen=True, slots=True)
class Round:
    """`rate` is envelopes a second that came to be on every disk; CPU times are of all nodes together.

    `carrying_s` is that of the gossip processes' own loops: all of the transport, the router and the boundary to main,
    and none of the checks of what a frame carries, which run beside it."""

    rate: float
    envelopes: int
    nodes_s: float
    carrying_s: float


@dataclass(frozen=True, slots=True)
class Mesh:
    """Nodes with their load generator."""

    net: Devnet
    load: Worker
    pids: Sequence[int]
    gossip_pids: Sequence[int]

    async def saturate(self, file: Path, window: int) -> Round:
        """A file of messages as fast as all disks take them. Raises LabError where one was refused."""
        count = await self._load(file)
        nodes_s, carrying_s = self._cpu_s()
        done = await self.load.ask({"saturate": window}, RUN_TIMEOUT_S)
        nodes_after_s, carrying_after_s = self._cpu_s()
        _check_answers(done["answers"], count)
        rate = done["stored"] / done["seconds"] if done["seconds"] else 0.0
        return Round(rate, count, nodes_after_s - nodes_s, carrying_after_s - carrying_s)

    async def pace(self, file: Path, rate: float) -> list[float]:
        """Latencies in ms of a file of messages that come at this rate. Raises LabError."""
        count = await self._load(file)
        done = await self.load.ask({"pace": rate}, RUN_TIMEOUT_S)
        _check_answers(done["answers"], count)
        latencies_ms: list[float] = (await self.load.ask({"latencies": True}, RUN_TIMEOUT_S))["latencies_ms"]
        return latencies_ms

    async def lost(self) -> int:
        """How many of all envelopes that were acknowledged are not on every disk."""
        return int((await self.load.ask({"check": True}, RUN_TIMEOUT_S))["lost"])

    async def _load(self, file: Path) -> int:
        await asyncio.sleep(IDLE_S)
        return int((await self.load.ask({"load": str(file)}))["loaded"])

    def _cpu_s(self) -> tuple[float, float]:
        return tree_cpu_s(self.pids), sum(map(main_thread_cpu_s, self.gossip_pids))


async def start_mesh(stack: AsyncExitStack, net: Devnet, gossip_module: str) -> Mesh:
    """Start nodes that find each other, and their generator; `stack` ends them. Raises LabError."""
    await stack.enter_async_context(net)
    await net.wait_meshed()
    await asyncio.sleep(MESH_S)
    first = net.nodes[0].plan
    stores = [str(node.plan.folder / STORE_NAME) for node in net.nodes]
    load = await Worker.start(f"{__package__}.bench_gossip_load", "127.0.0.1", str(first.api_port), *stores)
    stack.push_async_callback(load.stop)
    await load.answer()
    pids = [node.pid for node in net.nodes if node.pid is not None]
    return Mesh(net, load, pids, [descendant(pid, gossip_module.encode()) for pid in pids])


@dataclass(frozen=True, slots=True)
class Bench:
    """All that is measured in turns, and the envelopes for it."""

    plan: GossipPlan
    mesh: Mesh
    bare: Mesh
    stock: StockPair
    files: "Files"
    narrator: Narrator

    async def search(self, tried: float) -> dict[str, float]:
        """Rounds of the mesh, each between two slices of recovery; of the others now and then one beside."""
        slices, seen = RecoverySlices(), Seen()
        messages = self._count(tried, self.plan.seconds / self.plan.rounds)
        for number in range(self.plan.rounds):
            file = await self.files.make(messages)
            before = slices.measure()
            seen.rounds.append(await self.mesh.saturate(file, self.plan.window))
            await asyncio.sleep(IDLE_S)
            seen.limits.append((before + slices.measure()) / 2)
            seen.stock_us.append(await self.stock.cpu_us(STOCK_MESSAGES, self.files.mean_bytes))
            if number % LOWER_BOUND_EVERY == 0:
                seen.bare_rounds[number] = await self.bare.saturate(await self.files.make(messages), self.plan.window)
            rate = seen.rounds[-1].rate
            self.narrator.progress(f"round {number + 1} of {self.plan.rounds}: {rate:,.0f} a second")
        return seen.report(self.plan.nodes)

    async def first_rate(self, mesh: Mesh) -> float:
        """A warm mesh's rate, roughly."""
        warm = await mesh.saturate(await self.files.make(WARM_UP_MESSAGES), self.plan.window)
        messages = self._count(warm.rate, min(FIRST_TRY_S, self.plan.seconds))
        return (await mesh.saturate(await self.files.make(messages), self.plan.window)).rate

    async def pace(self, mesh: Mesh, rate: float) -> list[float]:
        """Latencies in ms at so many envelopes a second, without a pause for all the time: what is behind stays so."""
        return await mesh.pace(await self.files.make(max(1, int(rate * self.plan.seconds))), rate)

    def _count(self, rate: float, seconds: float) -> int:
        return max(self.plan.window, int(rate * seconds))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rounds gave: limits and `stock_us` round by round, `bare_rounds` by the number of the round before."""

    rounds: list[Round] = field(default_factory=list)
    bare_rounds: dict[int, Round] = field(default_factory=dict)
    limits: list[float] = field(default_factory=list)
    stock_us: list[float] = field(default_factory=list)

    def report(self, nodes: int) -> dict[str, float]:
        """Medians; ratios are each of one round with what was measured beside it."""
        rounds, ends = self.rounds, 2 / nodes
        ratios = [each.rate / limit for each, limit in zip(rounds, self.limits, strict=True)]
        bare_ratios = [rounds[number].rate / each.rate for number, each in self.bare_rounds.items()]
        carrying_us = [1e6 * each.carrying_s * ends / each.envelopes for each in rounds]
        node_us = [1e6 * each.nodes_s * ends / each.envelopes for each in rounds]
        return {
            "rate": round(median([each.rate for each in rounds]), 1),
            "limit_rate": round(median(self.limits), 1),
            "ratio": round(median(ratios), 4),
            "lower_bound_rate": round(median([each.rate for each in self.bare_rounds.values()]), 1),
            "lower_bound_ratio": round(median(bare_ratios), 4),
            "cpu_us_per_envelope": round(median(carrying_us), 1),
            "stock_cpu_us_per_envelope": round(median(self.stock_us), 1),
            "node_cpu_us_per_envelope": round(median(node_us), 1),
        }


async def measure_gossip(folder: Path, plan: GossipPlan) -> dict[str, float]:
    """The figures of the mesh. Raises LabError.

    `cpu_us_per_envelope` and `stock_cpu_us_per_envelope` are of the same work at the two ends of a hop: carrying an
    envelope from who publishes it to who is handed it, without checking and storing it, which gossipsub does not do.
    With more than two nodes it is twice the mean of a node. `node_cpu_us_per_envelope` is all that the nodes did,
    counted the same way."""
    narrator = Narrator(6)
    async with AsyncExitStack() as stack:
        mesh = await start_mesh(
            stack, Devnet(folder / "mesh", plan.nodes, network=NETWORK, settings=SETTINGS), GOSSIP_MODULE
        )
        bare_net = Devnet(folder / "bare", plan.nodes, network=NETWORK, module=BARE_NODE_MODULE, settings=SETTINGS)
        bare = await start_mesh(stack, bare_net, BARE_GOSSIP_MODULE)
        stock = await StockPair.start()
        stack.push_async_callback(stock.stop)
        narrator.step(f"{plan.nodes} nodes are meshed, and as many over bare sockets")
        files = Files(folder, new_authors(plan.wallets), narrator)
        bench = Bench(plan, mesh, bare, stock, files, narrator)
        tried = min(await bench.first_rate(bare), await bench.first_rate(mesh))
        narrator.step(f"warm: about {tried:,.0f} envelopes a second reach every disk")
        found = await bench.search(tried)
        narrator.step(f"{plan.rounds} rounds: {found['rate']:,.0f} a second reach every disk")
        latencies_ms = await bench.pace(mesh, PACE_SHARE * found["rate"])
        narrator.step(f"{len(latencies_ms):,} came at 80 % of it")
        bare_latencies_ms = await bench.pace(bare, PACE_SHARE * found["rate"])
        narrator.step("as many came over bare sockets")
        lost = await mesh.lost()
        if await bare.lost():
            raise LabError("envelopes were lost between bare sockets, so there is no lower bound")
        narrator.step("all disks were compared with what was acknowledged")
    tail = {
        "lost": lost,
        "p50_ms": round(percentile(latencies_ms, 50), 3),
        "p99_ms": round(percentile(latencies_ms, 99), 3),
        "lower_bound_p99_ms": round(percentile(bare_latencies_ms, 99), 3),
    }
    return {"nodes": plan.nodes} | found | tail


class Files:
    """Signed envelopes in files for the generators; no two are in one slot."""

    def __init__(self, folder: Path, authors: Authors, narrator: Narrator) -> None:
        self.mean_bytes = 0
        """Of a frame with one envelope, of the last that were made."""
        self._folder = folder
        self._authors = authors
        self._narrator = narrator
        self._made = 0

    async def make(self, messages: int) -> Path:
        """A new file of so many, of wallets that take turns."""
        jobs = plan_jobs(self._authors, NETWORK, messages, 0, new_wallet().account)
        show = lambda done, total: self._narrator.progress(f"signing: {100 * done // total} %")  # noqa: E731  # too small for a name of its own
        frames = await sign_all(jobs, show)
        self.mean_bytes = sum(map(len, frames)) // len(frames)
        self._made += 1
        path = self._folder / f"{self._made}.messages"
        path.write_bytes(stream_messages(frames))
        return path


def _check_answers(answers: dict[str, int], count: int) -> None:
    if answers != {"durable:ok": count}:
        raise LabError(f"not every envelope was taken by the first node: {answers}")
