import signal
import subprocess
import sys
import time
from pathlib import Path

POOL = """
import time
from pushmesh_node.lab.sim.pool import run_all
if __name__ == "__main__":
    run_all(time.sleep, [(600,)] * 2, lambda done, result: None, 2)
"""
WAIT_S = 30


def helpers_of(pid: int) -> list[int]:
    """Its pool's processes; multiprocessing's own tracker of resources ends by itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def is_at_work(pid: int) -> bool:
    """It imported what it needs: the watching thread is there."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1


def test_a_pools_processes_end_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    owner = subprocess.Popen([sys.executable, str(script)])
    helpers: list[int] = []
    deadline_s = time.monotonic() + WAIT_S
    while len(helpers) < 2 or not all(is_at_work(pid) for pid in helpers):
        assert time.monotonic() < deadline_s
        helpers = helpers_of(owner.pid)
        time.sleep(0.05)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    while any(is_alive(pid) for pid in helpers):
        assert time.monotonic() < deadline_s + WAIT_S
        time.sleep(0.05)
