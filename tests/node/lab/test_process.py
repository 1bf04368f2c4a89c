from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from pushmesh_node.config import load_config
from pushmesh_node.lab.errors import LabError, NodeDied
from pushmesh_node.lab.process import NodePlan, NodeProcess, write_config

pytestmark = pytest.mark.integration


def a_plan(folder: Path, **settings: object) -> NodePlan:
    return NodePlan("node 1", folder, 1, {name.replace("__", "."): value for name, value in settings.items()})


def test_a_plans_settings_are_a_configuration(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, api__port=0, api__public_hosts=["a", "b"], node__data_dir=str(tmp_path))
    config = load_config(write_config(plan), {}, {})
    assert (config.api.port, config.api.public_hosts, config.node.data_dir) == (0, ("a", "b"), str(tmp_path))
    assert plan.url == "http://127.0.0.1:1"


def test_a_plans_bridges_are_tables_of_their_own(tmp_path: Path) -> None:
    bridge = {"name": "home", "url": "mqtt://a", "accounts": [f"eip155:1:0x{'0' * 40}"], "max_in_flight": 3}
    plan = replace(a_plan(tmp_path, api__port=0), bridges=[bridge, bridge | {"name": "office"}])
    config = load_config(write_config(plan), {}, {})
    assert [(each.name, each.max_in_flight) for each in config.bridge] == [("home", 3), ("office", 3)]


async def test_a_node_that_cannot_start_shows_why(tmp_path: Path) -> None:
    node = NodeProcess(a_plan(tmp_path, node__data_dir=str(tmp_path)))
    assert node.log_tail() == "(no log)"
    assert node.pid is None
    await node.start()
    try:
        async with aiohttp.ClientSession() as http:
            node.plan.log.write_text("an older line\n")
            with pytest.raises(NodeDied, match=r"^node 1 ended while starting: the key .*node\.key is missing"):
                await node.wait_ready(http, 30)
    finally:
        await node.stop()
    assert not node.running


def test_a_log_without_last_words_is_shown_from_its_end(tmp_path: Path) -> None:
    node = NodeProcess(a_plan(tmp_path))
    node.plan.log.write_text("\n".join(f"line {number}" for number in range(9)))
    assert node.log_tail() == "line 4 | line 5 | line 6 | line 7 | line 8"


async def test_a_node_is_started_once(tmp_path: Path) -> None:
    node = NodeProcess(a_plan(tmp_path, node__data_dir=str(tmp_path)))
    await node.start()
    try:
        with pytest.raises(LabError, match="runs already"):
            await node.start()
    finally:
        await node.kill()
    await node.kill()
