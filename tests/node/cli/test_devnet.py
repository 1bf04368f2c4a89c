import asyncio
import io
import json
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pushmesh_node.cli.devnet import _state, _table
from pushmesh_node.lab.devnet import Devnet
from support.commands import check_one_sentence, pushmesh, python_path

pytestmark = pytest.mark.integration


async def test_a_devnet_says_where_its_nodes_are_and_ends_them_all(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pushmesh_node", "devnet", "--nodes", "2", "--json", "--folder", str(tmp_path)),
        env={"PYTHONPATH": python_path()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            nodes = json.loads(await process.stdout.readline())["nodes"]
            assert [node["status"]["ready"] for node in nodes] == [True, True]
            process.send_signal(signal.SIGINT)
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert not any((Path("/proc") / str(node["pid"])).exists() for node in nodes)


async def test_a_network_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    ran = await pushmesh("devnet", "--nodes", "1", "--network", "no-such", "--json", cwd=tmp_path)
    check_one_sentence(ran, 1, "no-such")


def test_the_table_shows_silent_and_ended_nodes_too(tmp_path: Path) -> None:
    net = Devnet(tmp_path, 2)
    status = {"ready": True, "last_commit": 7, "peers": [{}], "mqtt_address": "mqtt://127.0.0.1:1"}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(_table(net, [{}, status]))
    first, second = [line.split("│")[3:7] for line in console.export_text().splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in first] == ["", "ended", "?", "?"]
    assert [cell.strip() for cell in second] == ["mqtt://127.0.0.1:1", "ended", "1", "7"]
    assert _state(status) == "[green]ready[/]"
    assert _state({"not_ready": ["clock", "gossip"]}) == "[yellow]clock, gossip[/]"
    assert _state({}) == "[yellow]silent[/]"
