"""`pushmesh bench mqtt`: QoS 1 to many wallets by a real node's own endpoint, against Mosquitto in the same run.

One process has all clients of both sides, and publishes to both: turns of one message (or of ten, which wait for each
client together), four turns on their way. Rounds of the sides are interleaved: machines change their speed, ratios
less. Mosquitto is given the bytes that the node sent: once for all clients under one shared topic, and to a topic of
each client's own, which is what an inbox is.
"""

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushmesh_client import Node, new_wallet
from pushmesh_client.wallet import Wallet
from pushmesh_protocol.accounts import display_account

from .cpu_time import tree_cpu_s
from .devnet import Devnet
from .followers import Author, follow, log_ins
from .memory import resident_mb
from .mosquitto import running_mosquitto
from .narrator import Narrator
from .networks import shipped_network
from .statistics import median
from .worker import Worker

NETWORK = "bench"
BATCH = 10
"""Messages that wait for each client together in the second measurement."""
INBOX = "pushmesh/inbox"
IDLE_S = 0.3


@dataclass(frozen=True, slots=True)
class MqttPlan:
    """So many clients, rounds of each kind, and turns in a round."""

    subscribers: int
    rounds: int
    turns: int


@dataclass(frozen=True, slots=True)
class Round:
    """Deliveries a second, and the CPU time of the server and of the client process for each of them."""

    rate: float
    cpu_us: float
    client_us: float


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both servers with their clients in one process; `author` signs, `node_pid` is the node's main process."""

    plan: MqttPlan
    clients: Worker
    author: Author
    node_pid: int
    broker_pid: int

    async def node(self, each: int) -> Round:
        """A round of the node, `each` messages a turn."""
        turns = max(1, self.plan.turns // each)
        frames = [base64.b64encode(self.author.frame(each)).decode() for _ in range(turns)]
        return await self._play({"play": "node", "frames": frames, "each": each}, self.node_pid)

    async def broker(self, topics: Sequence[str], each: int) -> Round:
        """A round of Mosquitto."""
        turns = max(1, self.plan.turns // each)
        return await self._play({"echo": "broker", "topics": topics, "turns": turns, "each": each}, self.broker_pid)

    async def _play(self, order: dict[str, Any], pid: int) -> Round:
        """What is left to do behind the last message, like keeping acknowledgements, counts as CPU time too."""
        before_s = await asyncio.to_thread(tree_cpu_s, [pid])
        done = await self.clients.ask(order)
        await asyncio.sleep(IDLE_S)
        cpu_s = await asyncio.to_thread(tree_cpu_s, [pid]) - before_s
        received = done["received"]
        return Round(received / done["seconds"], 1e6 * cpu_s / received, 1e6 * done["cpu_s"] / received)


async def measure_mqtt(folder: Path, plan: MqttPlan) -> dict[str, float]:
    """The figures of both sides. Raises LabError."""
    narrator = Narrator(3)
    network = shipped_network(NETWORK)
    author = Author(network)
    wallets = [new_wallet() for _ in range(plan.subscribers)]
    own = [f"inboxes/{secrets.token_hex(8)}" for _ in wallets]
    async with (
        Devnet(folder, 1, network=NETWORK) as net,
        running_mosquitto(folder) as broker,
        Node(net.url(0)) as node,
    ):
        await follow(node, network, wallets, author.topic)
        narrator.step(f"{plan.subscribers:,} wallets follow one topic")
        clients = await Worker.start(f"{__package__}.mqtt_clients")
        try:
            pid = net.nodes[0].pid
            assert pid is not None  # it answered a moment ago
            memory_kb = await _connect(clients, node, wallets, pid)
            await _connect_to_broker(clients, broker.port, own)
            narrator.step(f"they are connected, {memory_kb:.1f} kB of memory each, and so are clients of Mosquitto")
            report = await _rounds(_Sides(plan, clients, author, pid, broker.pid), own, narrator)
        finally:
            await clients.stop()
    narrator.step("done")
    return report | {"kb_per_connection": round(memory_kb, 1)}


async def _connect(clients: Worker, node: Node, wallets: Sequence[Wallet], pid: int) -> float:
    """Log all in; how much memory each takes at the node, in thousands of bytes."""
    publisher, network = new_wallet(), shipped_network(NETWORK)
    login, *logins = await log_ins(node, network, [publisher, *wallets])
    named = [
        (f"bench{number}", display_account(wallet.account), text, (INBOX,))
        for number, (wallet, text) in enumerate(zip(wallets, logins, strict=True))
    ]
    port = int((await node.status())["mqtt_address"].rpartition(":")[2])
    before_mb = resident_mb(pid)
    by = ("bench0", display_account(publisher.account), login)
    await clients.ask({"connect": "node", "port": port, "clients": named, "publisher": by})
    await asyncio.sleep(IDLE_S)
    return 1000 * (resident_mb(pid) - before_mb) / len(wallets)


async def _connect_to_broker(clients: Worker, port: int, own: Sequence[str]) -> None:
    named = [(f"bench{number}", None, None, (INBOX, topic)) for number, topic in enumerate(own)]
    publisher = ("publisher", None, None)
    await clients.ask({"connect": "broker", "port": port, "clients": named, "publisher": publisher})


async def _rounds(sides: _Sides, own: Sequence[str], narrator: Narrator) -> dict[str, float]:
    """Each kind in turn; a first round warms both."""
    kinds: dict[str, Callable[[], Awaitable[Round]]] = {
        "": lambda: sides.node(1),
        "mosquitto_": lambda: sides.broker((INBOX,), 1),
        "own_topics_": lambda: sides.broker(own, 1),
        "batched_": lambda: sides.node(BATCH),
        "mosquitto_batched_": lambda: sides.broker((INBOX,), BATCH),
        "own_topics_batched_": lambda: sides.broker(own, BATCH),
    }
    found: dict[str, list[Round]] = {name: [] for name in kinds}
    for number in range(sides.plan.rounds + 1):
        for name, play in kinds.items():
            found[name].append(await play())
        ratio = found[""][-1].rate / found["mosquitto_"][-1].rate
        narrator.progress(f"round {number} of {sides.plan.rounds}: {found[''][-1].rate:,.0f} a second, {ratio:.2f}")
    return report_of({name: rounds[1:] for name, rounds in found.items()})


def report_of(found: dict[str, list[Round]]) -> dict[str, float]:
    """Rates are medians, ratios medians of the ratios of each round; CPU microseconds are of one delivery."""
    report: dict[str, float] = {}
    for name, rounds in found.items():
        report[f"{name}rate"] = round(median([each.rate for each in rounds]), 1)
        report[f"{name}cpu_us"] = round(median([each.cpu_us for each in rounds]), 2)
    for name, ours, theirs in (
        ("ratio", "", "mosquitto_"),
        ("batched_ratio", "batched_", "mosquitto_batched_"),
        ("own_topics_ratio", "", "own_topics_"),
        ("own_topics_batched_ratio", "batched_", "own_topics_batched_"),
    ):
        pairs = zip(found[ours], found[theirs], strict=True)
        report[name] = round(median([mine.rate / other.rate for mine, other in pairs]), 4)
    every = [each.client_us for rounds in (found[""], found["mosquitto_"]) for each in rounds]
    report["client_cpu_us"] = round(median(every), 2)
    return report
