import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

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
