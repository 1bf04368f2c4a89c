"""What tests of a mesh of node processes ask of each node."""

import time
from collections.abc import Callable

from support.processes import Running, eventually

FAULTS = (
    "pushmesh_gossip_frames_rejected_total",
    "pushmesh_gossip_grafts_refused_total",
    "pushmesh_gossip_ihave_drops_total",
    "pushmesh_gossip_iwant_drops_total",
    'pushmesh_gossip_mesh_leaves_total{reason="low-score"}',
    "pushmesh_gossip_promises_broken_total",
    "pushmesh_gossip_rpc_drops_total",
)
"""What the gossip process counts where a peer did something wrong."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def samples(node: Running) -> dict[str, float]:
    """Every sample of /metrics by its name and labels."""
    async with node.client.http.get(f"{node.plan.url}/metrics") as response:
        text = await response.text()
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def penalties(node: Running) -> dict[str, float]:
    """What the gossip process has against its peers, once it has told of every frame that the node accepted."""
    accepted = await node.metric("pushmesh_frames_total", direction="in", verdict="accept", reason="ok")

    async def told() -> bool:
        return await node.metric("pushmesh_gossip_frames_accepted_total") >= accepted

    await eventually(told, f"{accepted:g} accepted frames in the gossip process's counts")
    return {name: value for name, value in (await samples(node)).items() if name.startswith(FAULTS) and value}


async def until(condition: Callable[[], bool], what: str) -> None:
    """Polls a condition; fails with what never came."""

    async def holds() -> bool:
        return condition()

    await eventually(holds, what)
