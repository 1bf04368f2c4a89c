import json
import subprocess
import sys

PROGRAM = """
import structlog
from pushmesh_node.log_lines import write_log_lines
write_log_lines({level!r}, console={console})
log = structlog.get_logger()
log.debug("small")
log.info("quiet")
write_log_lines("error", console=False)
log.info("the same logger")
structlog.get_logger().info("another logger")
"""


def lines(level: str, *, console: bool = False) -> list[str]:
    """What a process writes; its stdout stays clean for programs."""
    source = PROGRAM.format(level=level, console=console)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_lines_below_the_level_are_left_out() -> None:
    assert [json.loads(line)["event"] for line in lines("debug")] == ["small", "quiet", "the same logger"]
    assert [json.loads(line)["event"] for line in lines("info")] == ["quiet", "the same logger"]
    assert lines("error") == []


def test_lines_for_people_are_no_json() -> None:
    assert not lines("info", console=True)[0].startswith("{")
