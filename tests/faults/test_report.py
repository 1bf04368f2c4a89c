"""The report of a run: what it counts, and that it is red whenever anything is wrong."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from faults.checker import check
from faults.history import Durable, Held, Invoked
from faults.lane import LaneReport
from faults.power import PowerReport
from faults.report import Run, as_json, write_report
from pushmesh_node.lab.networks import shipped_network

NETWORK = shipped_network("devnet")
ID = b"1" * 32
GOOD = check([], NETWORK)
BAD = check([Invoked("a", "news", (ID,), 10**12), Durable("a", ID, 5, b"s" * 16), Held("a", b"s" * 16, {}, 0)], NETWORK)


def a_lane(verdict: object = GOOD) -> LaneReport:
    return LaneReport(Counter({"whole tree": 3, "after ack": 7}), [1.0, 2.0], [0.5, 0.7], [], verdict)  # type: ignore[arg-type]  # None where it was not judged


GREEN = Run(7, 12.3, {"alone": a_lane(), "mesh": a_lane()}, PowerReport(5, Counter({"sectors": 5}), 100))


def test_a_report_says_what_was_killed_and_that_nothing_was_broken() -> None:
    told = as_json(GREEN)
    assert told["kills"] == {"total": 20, "whole_trees": 6, "by_step": {"after ack": 14, "whole tree": 6}}
    assert told["green"] is True and set(told["broken_promises"].values()) == {0}
    assert told["lanes"]["mesh"]["start_s"] == {"median": 0.7, "p99": 0.7, "most": 0.7}


@pytest.mark.parametrize(
    "red",
    [
        replace(GREEN, lanes={"alone": a_lane(), "mesh": a_lane(BAD)}),
        replace(GREEN, lanes={"alone": a_lane(None)}),
        replace(GREEN, power=PowerReport(1, Counter(), 1, list(BAD.counterexamples))),
        replace(GREEN, power=PowerReport(1, Counter(), 1, [], ["image 7/0: the store cannot be opened"])),
    ],
)
def test_a_run_is_red_when_anything_was_broken_unusable_or_never_judged(red: Run) -> None:
    assert not red.green


def test_a_red_report_tells_the_story() -> None:
    told = as_json(replace(GREEN, lanes={"alone": a_lane(BAD)}))
    assert told["broken_promises"]["lost"] == 1
    assert told["stories"][0].startswith(f"lost: {ID.hex()}")


def test_the_report_is_a_file_with_a_picture(tmp_path: Path) -> None:
    path = write_report(GREEN, tmp_path / "reports")
    assert path.name == "faults-7.json"
    assert msgspec.json.decode(path.read_bytes())["seed"] == 7
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
