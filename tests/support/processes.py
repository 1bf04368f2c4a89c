"""Real node processes for integration tests: where they live, how they are asked, what they must never write."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from pushmesh_client import Node
from pushmesh_node.app.keys import create_key
from pushmesh_node.lab.addresses import free_ports, loopback_multiaddr
from pushmesh_node.lab.process import NodePlan, NodeProcess
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame

READY_S = 60.0
ARRIVAL_S = 60.0


def a_plan(folder: Path, name: str, peers: Sequence[NodePlan] = (), **changes: Any) -> NodePlan:
    """A node on free ports; it dials the peers that are named, and only nodes that name it dial it."""
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    seed = secrets.token_bytes(32)
    create_key(home / "node.key", seed)
    api, mqtt, gossip = free_ports(3)
    settings: dict[str, object] = {
        "node.data_dir": str(home),
        "node.network": "devnet",
        "node.log_format": "json",
        "node.drain_timeout_s": 2.0,
        "api.port": api,
        "mqtt.port": mqtt,
        "gossip.enabled": bool(peers) or changes.pop("mesh", False),
        "gossip.listen": [f"/ip4/127.0.0.1/tcp/{gossip}"],
        "gossip.bootstrap": [str(peer.settings["address"]) for peer in peers],
        "gossip.dht": False,
    }
    settings |= {key.replace("__", "."): value for key, value in changes.items()}
    return NodePlan(name, home, api, settings | {"address": loopback_multiaddr(gossip, seed)})


class Running(NodeProcess):
    """A node process with a client."""

    def __init__(self, plan: NodePlan) -> None:
        settings = {key: value for key, value in plan.settings.items() if key != "address"}
        super().__init__(replace(plan, settings=settings))
        self.client = Node(plan.url)

    async def up(self) -> None:
        """Start it, and wait until it is ready."""
        await self.start()
        async with aiohttp.ClientSession() as http:
            await self.wait_ready(http, READY_S)

    async def publish(self, *things: Envelope | Part) -> list[tuple[str, str]]:
        """(level, reason) of each, in order."""
        outcomes = await self.client.publish_frame(frame_of(*things))
        return [(outcome.level, outcome.reason) for outcome in outcomes]

    async def peers(self) -> list[dict[str, Any]]:
        """As the node itself reports them."""
        return list((await self.client.status())["peers"])

    async def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics; 0 where there is none."""
        async with self.client.http.get(f"{self.plan.url}/metrics") as response:
            text = await response.text()
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        for line in text.splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == name and wanted <= set(rest.rstrip("}").split(",")):
                return float(value)
        return 0.0

    def faults(self) -> list[str]:
        """Lines of the log that tell of a fault of ours."""
        lines = self.plan.log.read_text(errors="replace").splitlines()
        return [
            line for line in lines if "Traceback" in line or "never retrieved" in line or '"level": "error"' in line
        ]


@asynccontextmanager
async def running(*plans: NodePlan) -> AsyncIterator[list[Running]]:
    """All of them, ready; ended by their pids whatever happens."""
    nodes = [Running(plan) for plan in plans]
    try:
        await asyncio.gather(*(node.up() for node in nodes))
        yield nodes
    finally:
        for node in nodes:
            await node.client.close()
        await asyncio.gather(*(node.stop() for node in nodes), return_exceptions=True)
        for node in nodes:
            await node.kill()


def frame_of(*things: Envelope | Part) -> bytes:
    return encode_frame([thing if isinstance(thing, Part) else Part((thing,)) for thing in things])


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Polls a process; fails with what never came."""
    try:
        async with asyncio.timeout(ARRIVAL_S):
            while not await condition():  # noqa: ASYNC110  # another process has no event for us
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise AssertionError(f"never came: {what}") from error
