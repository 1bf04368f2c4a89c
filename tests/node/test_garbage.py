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


def test_what_was_imported_is_never_looked_through_and_later_cycles_still_are() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": python_path()},
    )
    assert (done.returncode, done.stderr) == (0, "")
