import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pushmesh_node.app.compose import read_network, run_node
from pushmesh_node.app.keys import create_key
from pushmesh_node.app.node import Node
from pushmesh_node.config import Config, ConfigError, load_config
from pushmesh_node.storage import Store
from support.app_world import WAIT_S


def a_config(folder: Path, **changes: Any) -> Config:
    """A node on free ports without a mesh; `changes` are keys with __ for the dot."""
    flags: dict[str, Any] = {
        "node.data_dir": str(folder),
        "node.drain_timeout_s": 1.0,
        "api.port": 0,
        "mqtt.port": 0,
        "gossip.enabled": False,
    }
    return load_config(None, {}, flags | {key.replace("__", "."): value for key, value in changes.items()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key(tmp_path / "node.key", b"\x07" * 32)
    return tmp_path


async def run(config: Config) -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(WAIT_S):
        await run_node(config, stop=stop)


async def test_a_node_listens_answers_and_ends_with_everything_closed(folder: Path) -> None:
    up: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(run_node(a_config(folder), ready=up.set_result, stop=stop))
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as http:
        node = await up
        url = node.status.api_address
        async with http.get(f"{url}/readyz") as response:
            assert response.status == 200
        async with http.get(f"{url}/v1/topics/x/y") as response:
            assert response.status == 400
        async with http.get(f"{url}/nowhere") as response:
            assert response.status == 404
        async with http.get(f"{url}/metrics") as response:
            text = await response.text()
    assert 'pushmesh_http_requests_total{route="/readyz",status="200"} 1.0' in text
    assert 'pushmesh_http_requests_total{route="/v1/topics/{owner}/{name}",status="400"} 1.0' in text
    assert 'pushmesh_http_requests_total{route="other",status="404"} 1.0' in text
    host, port = node.status.mqtt_address.removeprefix("mqtt://").split(":")
    socket.create_connection((host, int(port)), timeout=5).close()
    stop.set()
    async with asyncio.timeout(WAIT_S):
        await running
    assert not node.status.ready
    for address in (url.removeprefix("http://"), f"{host}:{port}"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.split(":")[0], int(address.split(":")[1])), timeout=5).close()
    store = await Store.open(folder / "pushmesh.db", new_incarnation=bytes(16))  # its lock is free again
    await store.close()


async def test_sigterm_ends_a_node_orderly(folder: Path) -> None:
    up: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run_node(a_config(folder), ready=up.set_result))
    async with asyncio.timeout(WAIT_S):
        await up
        os.kill(os.getpid(), signal.SIGTERM)
        await running


async def test_without_metrics_and_mqtt_neither_is_offered(folder: Path) -> None:
    up: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    config = a_config(folder, api__metrics=False, mqtt__enabled=False)
    running = asyncio.create_task(run_node(config, ready=up.set_result, stop=stop))
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as http:
        node = await up
        assert node.status.mqtt_address == ""
        async with http.get(f"{node.status.api_address}/metrics") as response:
            assert response.status == 404
        stop.set()
        await running


async def test_what_only_an_operator_can_mend_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.toml").write_text("genesis = 1")
    (folder / "other.db").write_text("a diary, not a store, and long enough to be told from one" * 40)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for changes, sentence in (
            ({"node__key_file": "none.key"}, "the key .* is missing"),
            ({"node__network": str(tmp_path / "none.toml")}, "there is no such file"),
            ({"node__network": str(tmp_path / "text.toml")}, "the network file .* cannot be used"),
            ({"store__path": "other.db"}, "is not a pushmesh store"),
            ({"api__port": port}, f"cannot listen on 127.0.0.1:{port}: "),
            ({"mqtt__port": port}, f"cannot listen on 127.0.0.1:{port} for MQTT"),
        ):
            with pytest.raises(ConfigError, match=sentence) as caught:
                await run(a_config(folder, **changes))
            assert "\n" not in str(caught.value)
    await run(a_config(folder))  # nothing was left behind that a good start would stumble over


async def test_two_nodes_do_not_share_a_store(folder: Path) -> None:
    store = await Store.open(folder / "pushmesh.db", new_incarnation=bytes(16))
    with pytest.raises(ConfigError, match="use"):
        await run(a_config(folder))
    await store.close()


def test_the_shipped_networks_can_be_named() -> None:
    assert {read_network(load_config(None, {}, {"node.network": name})).name for name in ("devnet", "bench")} == {
        "devnet",
        "bench",
    }
