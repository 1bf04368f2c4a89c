"""A network of real node processes on loopback, meshed by their bootstrap lists. `async with Devnet(...) as net:`."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from ..app.keys import create_key, load_key
from .addresses import free_ports, loopback_multiaddr
from .errors import LabError
from .process import NodePlan, NodeProcess

START_TIMEOUT_S = 60.0


class Devnet:
    """`count` nodes of one network in `folder`/node1 ...; a folder that was used before keeps its keys and stores."""

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        network: str = "devnet",
        settings: Mapping[str, object] | None = None,
        first_port: int | None = None,
        module: str = "pushmesh_node",
        star: bool = False,
        late: int = 0,
    ) -> None:
        """`first_port` gives node i the ports first_port + 3 (i - 1) and the next two; else they are free ones. With
        `star` each node is told of the first one alone. The last `late` nodes wait for their `restart`."""
        plans = _plans(folder, count, network, settings or {}, first_port, star)
        self.nodes = [NodeProcess(replace(plan, module=module)) for plan in plans]
        self._early = self.nodes[: count - late]
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Starts the nodes and waits until each is ready. Raises LabError; whatever was started has ended then."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        try:
            await asyncio.gather(*(node.start() for node in self._early))
            await asyncio.gather(*(self._wait_ready(node) for node in self._early))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        await self.close()

    async def close(self) -> None:
        """Ends every process by its pid, even when it is cancelled. Idempotent."""
        try:
            await asyncio.gather(*(node.stop() for node in self.nodes))
        finally:
            for node in self.nodes:
                node.kill_now()  # also where this task is cancelled meanwhile
            http, self._http = self._http, None
            if http is not None:
                await http.close()

    def url(self, index: int) -> str:
        """Of a node's HTTP API; nodes count from 0."""
        return self.nodes[index].plan.url

    async def kill(self, index: int) -> None:
        """SIGKILL, without a word to anybody."""
        await self.nodes[index].kill()

    async def restart(self, index: int) -> None:
        """Start a node again on its own folder and ports, and wait until it is ready."""
        await self.nodes[index].stop()
        await self.nodes[index].start()
        await self._wait_ready(self.nodes[index])

    async def wait_meshed(self, timeout_s: float = 30.0) -> None:
        """Until each node that was started at first has a peer for each other one. Raises LabError."""
        count = len(self._early)
        deadline = time.monotonic() + timeout_s
        while min([peers_in(await self.status(index)) for index in range(count)]) < count - 1:
            if time.monotonic() > deadline:
                raise LabError(f"the {count} nodes had not found each other after {timeout_s:g} s")
            await asyncio.sleep(0.1)

    async def status(self, index: int) -> dict[str, Any]:
        """What a node says of itself; empty where it does not answer."""
        return await self._ask(index, "/v1/status")

    async def peers(self, index: int) -> list[dict[str, Any]]:
        """Its peers with all that it knows of each; empty where it does not answer."""
        return list((await self._ask(index, "/v1/peers")).get("peers", ()))

    async def _ask(self, index: int, path: str) -> dict[str, Any]:
        if self._http is None:
            return {}
        try:
            async with self._http.get(f"{self.url(index)}{path}") as response:
                answer = await response.json()
                return answer if isinstance(answer, dict) else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return {}

    async def _wait_ready(self, node: NodeProcess) -> None:
        if self._http is None:
            raise LabError("the devnet is closed")
        await node.wait_ready(self._http, START_TIMEOUT_S)


def peers_in(status: Mapping[str, Any]) -> int:
    """Connected peers, by a node's own report; 0 of a silent one."""
    return len(status.get("peers", ()))


def _plans(
    folder: Path, count: int, network: str, settings: Mapping[str, object], first_port: int | None, star: bool
) -> list[NodePlan]:
    if not 1 <= count <= 32:
        raise LabError(f"a devnet has 1 to 32 nodes, not {count}")
    ports = free_ports(3 * count) if first_port is None else list(range(first_port, first_port + 3 * count))
    folders = [folder / f"node{number}" for number in range(1, count + 1)]
    seeds = [_seed_in(each) for each in folders]
    addresses = [loopback_multiaddr(ports[3 * index + 2], seed) for index, seed in enumerate(seeds)]
    plans = []
    for index, each in enumerate(folders):
        api, mqtt, gossip = ports[3 * index : 3 * index + 3]
        keys: dict[str, object] = {
            "node.data_dir": str(each),
            "node.network": network,
            "node.log_format": "json",
            "api.port": api,
            "mqtt.port": mqtt,
            "gossip.listen": [f"/ip4/127.0.0.1/tcp/{gossip}"],
            "gossip.bootstrap": addresses[: min(index, 1)] if star else addresses[:index] + addresses[index + 1 :],
        }
        plans.append(NodePlan(f"node {index + 1}", each, api, keys | dict(settings)))
    return plans


def _seed_in(folder: Path) -> bytes:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"the folder {folder} cannot be made: {error.strerror}; name another") from error
    path = folder / "node.key"
    if not path.exists():
        create_key(path, secrets.token_bytes(32))
    return load_key(path)
