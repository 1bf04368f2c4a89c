"""`pushmesh bench idle`: what wallets cost that listen over WebSocket and hear nothing.

A node process as it ships, and one reader process that holds all connections; memory is the node's own resident growth,
CPU time that of its whole family while every stream is told now and then that it is alive.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from pushmesh_client import Node, new_wallet

from .bench_fanout import NETWORK, connect
from .cpu_time import tree_cpu_s
from .devnet import Devnet
from .errors import LabError
from .memory import descriptors, resident_mb
from .narrator import Narrator
from .networks import shipped_network
from .worker import Worker


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """Wallets with a connection each, and how long they are watched."""

    connections: int
    seconds: float


async def measure_idle(folder: Path, plan: IdlePlan) -> dict[str, float]:
    """The figures; CPU in percent of one core. Raises LabError, also where a stream is gone at the end."""
    narrator = Narrator(2)
    network = shipped_network(NETWORK)
    wallets = await asyncio.to_thread(lambda: [new_wallet() for _ in range(plan.connections)])
    async with Devnet(folder, 1, network=NETWORK) as net, Node(net.url(0)) as node:
        pid = net.nodes[0].pid
        assert pid is not None  # it is ready
        crowd = await Worker.start(f"{__package__}.crowd")
        try:
            kb_per_connection = await connect(crowd, folder, node, pid, network, wallets)
            narrator.step(f"{plan.connections:,} wallets listen")
            cpu_s = tree_cpu_s([pid])
            await asyncio.sleep(plan.seconds)
            cpu_s = tree_cpu_s([pid]) - cpu_s
            rss_mb, fds = resident_mb(pid), descriptors(pid)
            listening = (await crowd.ask({"look": True}))["listening"]
        finally:
            await crowd.stop()
    narrator.step(f"watched for {plan.seconds:g} s")
    if listening != plan.connections:
        raise LabError(f"{plan.connections - listening} streams were closed while nobody did anything")
    return {
        "connections": plan.connections,
        "kb_per_connection": round(kb_per_connection, 2),
        "rss_mb": rss_mb,
        "fds": fds,
        "cpu_percent": round(100 * cpu_s / plan.seconds, 2),
    }
