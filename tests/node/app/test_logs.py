import json
import subprocess
import sys

PROGRAM = """
import structlog
from pushmesh_node.app.logs import configure_logging
from pushmesh_node.config import load_config
configure_logging(load_config(None, {{}}, {flags!r}))
log = structlog.get_logger()
log.info("quiet")
try:
    1 / 0
except ZeroDivisionError as error:
    log.error("it broke", number=7, exc_info=error)
"""


def lines(**flags: str) -> list[str]:
    """What a process that logs writes; its stdout stays clean for programs."""
    source = PROGRAM.format(flags={key.replace("__", "."): value for key, value in flags.items()})
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_where_nobody_watches_each_event_is_one_line_of_json() -> None:
    quiet, broke = map(json.loads, lines())
    assert (quiet["event"], quiet["level"]) == ("quiet", "info")
    assert (broke["event"], broke["level"], broke["number"]) == ("it broke", "error", 7)
    assert "ZeroDivisionError" in broke["exception"] and broke["timestamp"].endswith("Z")


def test_less_severe_lines_are_left_out() -> None:
    (broke,) = lines(node__log_level="error")
    assert json.loads(broke)["event"] == "it broke"


def test_the_console_form_can_be_asked_for() -> None:
    first = lines(node__log_format="console")[0]
    assert "quiet" in first and not first.startswith("{")
