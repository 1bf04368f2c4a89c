"""A whole node in this process, on real sockets, without the mesh: for tests of those who talk to nodes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pushmesh_node.app.compose import run_node
from pushmesh_node.app.keys import create_key
from pushmesh_node.app.node import Node
from pushmesh_node.config import load_config


@asynccontextmanager
async def running_node(folder: Path, **settings: object) -> AsyncIterator[Node]:
    """Ready when it is given; the folder keeps its key and store, so that it can be started again.

    Settings are written with two underscores for the dot: api__port=8080."""
    _ensure_key(folder)
    flags: dict[str, object] = {
        "node.data_dir": str(folder),
        "node.drain_timeout_s": "1",
        "api.port": "0",
        "mqtt.port": "0",
        "gossip.enabled": "false",
    }
    flags |= {name.replace("__", "."): str(value) for name, value in settings.items()}
    started: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(run_node(load_config(None, {}, flags), ready=started.set_result, stop=stop))
    await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        yield started.result()
    finally:
        stop.set()
        await running


def _ensure_key(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node.key").exists():
        create_key(folder / "node.key", secrets.token_bytes(32))


def url_of(node: Node) -> str:
    """Of its API."""
    return node.status.api_address


def port_of(node: Node) -> int:
    """Of its API."""
    return int(node.status.api_address.rpartition(":")[2])
