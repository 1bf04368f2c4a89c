"""How long a new node takes into the mesh: real processes on loopback that know one of them, and then one more."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .devnet import Devnet
from .errors import LabError

MESH_PEERS: Final = 3
"""So many mesh peers in every topic: then no single peer stands between a node and the mesh."""

JOIN_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.05


async def measure_join(folder: Path, nodes: int) -> dict[str, float]:
    """`{"nodes", "ready_s", "joined_s", "mesh_peers"}`, seconds from the start of the new process. Its node reports its
    meshes every two seconds, which is in the figure. Raises LabError if it does not join within a minute."""
    async with Devnet(folder, nodes + 1, star=True, late=1) as net:
        await net.wait_meshed()
        began_s = time.monotonic()
        await net.restart(nodes)
        ready_s = time.monotonic() - began_s
        topics = await _topics(net)
        while (least := fewest_mesh_peers(await net.peers(nodes), topics)) < MESH_PEERS:
            if time.monotonic() - began_s > JOIN_TIMEOUT_S:
                raise LabError(f"the new node had {least} mesh peers in some topic after {JOIN_TIMEOUT_S:g} s")
            await asyncio.sleep(POLL_S)
        joined_s = time.monotonic() - began_s
    return {"nodes": nodes, "ready_s": round(ready_s, 2), "joined_s": round(joined_s, 2), "mesh_peers": least}


def fewest_mesh_peers(peers: Sequence[Mapping[str, Any]], topics: int) -> int:
    """Mesh peers of the topic that has fewest of them, of so many topics, by a node's own report."""
    counts = Counter(topic for peer in peers for topic in peer.get("mesh_topics", ()))
    return min(counts.values()) if len(counts) == topics else 0


async def _topics(net: Devnet) -> int:
    """How many gossip topics a node of the devnet is in: those of the meshes among the nodes that were there before."""
    deadline = time.monotonic() + JOIN_TIMEOUT_S
    found: set[str] = set()
    while not found:
        found = {topic for peer in await net.peers(0) for topic in peer.get("mesh_topics", ())}
        if time.monotonic() > deadline:
            raise LabError("the nodes have no mesh")
        await asyncio.sleep(POLL_S)
    return len(found)
