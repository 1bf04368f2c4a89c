import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pushmesh_node.lab import leash

pytestmark = pytest.mark.integration

STARTER = """
import asyncio, sys
from pathlib import Path
from pushmesh_node.app.keys import create_key
from pushmesh_node.lab.addresses import free_ports
from pushmesh_node.lab.process import NodePlan, NodeProcess

async def main(folder):
    create_key(folder / "node.key", bytes(32))
    api, gossip = free_ports(2)
    settings = {"node.data_dir": str(folder), "api.port": api, "mqtt.enabled": False, "gossip.dht": False}
    settings |= {"gossip.listen": [f"/ip4/127.0.0.1/tcp/{gossip}"], "verify.processes": 1}
    node = NodeProcess(NodePlan("node", folder, api, settings))
    await node.start()
    print(node.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1])))
"""
TELLING = """
import sys
print(__name__, sys.argv[0].endswith("told.py"), sys.argv[1:], repr(sys.stdin.read()))
sys.exit(3)
"""
PARTS = (b"pushmesh_node.peer", b"pushmesh_node.app.verify_worker")
WAIT_S = 60


def tree_of(pid: int) -> dict[int, bytes]:
    """The process and its children, each with its command line."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += map(int, (task / "children").read_text().split())
    return {one: Path(f"/proc/{one}/cmdline").read_bytes() for one in pids}


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_node_and_all_its_parts_end_when_who_started_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        node = int(starter.stdout.readline())
        deadline_s = time.monotonic() + WAIT_S
        while not all(any(part in command for command in tree_of(node).values()) for part in PARTS):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        tree = tree_of(node)
        starter.send_signal(signal.SIGKILL)
    while any(is_alive(pid) for pid in tree):
        assert time.monotonic() < deadline_s + WAIT_S
        time.sleep(0.05)


def test_a_module_runs_as_by_itself_and_finds_its_input_empty(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(TELLING)
    command = [sys.executable, "-m", leash.MODULE, "told", "--a", "b"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": _path(tmp_path)}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "__main__ True ['--a', 'b'] ''\n"
        assert process.wait(WAIT_S) == 3


def _path(folder: Path) -> str:
    return ":".join([str(folder), *(path for path in sys.path if path)])
