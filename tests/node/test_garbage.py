import subprocess
import sys

from support.commands import python_path

SCRIPT = """
import gc
import weakref
from pushmesh_node.garbage import settle_garbage

class Thing:
    pass

kept = Thing()
settle_garbage()
assert gc.get_freeze_count() > 1_000, "what was there before is not looked through again"
assert not any(thing is kept for thing in gc.get_objects())
gc.disable()
a, b = Thing(), Thing()
a.other, b.other = b, a
gone = weakref.ref(a)
del a, b
gc.collect()
assert gone() is None, "a cycle made later is collected"
"""

FREEING = """
import time
from pathlib import Path
from pushmesh_node import garbage

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

garbage.GIVE_BACK_S = 0.05
before_mb = resident_mb()
burst = [bytes(2_000) for _ in range(50_000)]
kept = burst[::1_000]
del burst
assert resident_mb() > before_mb + 80, "glibc keeps what is freed between pieces in use"
garbage.give_back_freed_memory()
deadline_s = time.monotonic() + 30
while resident_mb() > before_mb + 10:
    assert time.monotonic() < deadline_s, "it was never given back"
    time.sleep(0.05)
"""


def test_what_was_imported_is_never_looked_through_and_later_cycles_still_are() -> None:
    succeeds(SCRIPT)


def test_what_is_freed_goes_back_to_the_system_though_pieces_between_are_in_use() -> None:
    succeeds(FREEING)


def succeeds(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": python_path()},
    )
    assert (done.returncode, done.stderr) == (0, "")
