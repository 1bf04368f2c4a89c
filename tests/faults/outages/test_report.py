"""The report of the outages: what it counts, and that it is red whenever anything is wrong."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from faults.checker import check
from faults.history import Delivered, Durable, Handed, Invoked
from faults.outages.report import Run, as_json, told, write_report
from faults.outages.world import Outcome, WayCounts
from pushmesh_node.lab.networks import shipped_network

NETWORK = shipped_network("devnet")
ID, STORE = b"1" * 32, b"s" * 16
HISTORY = [Invoked("a", "news", (ID,), 10**13), Durable("a", ID, 5, STORE), Delivered("w", "a", STORE, 5, ID)]
GOOD = check(HISTORY, NETWORK)
BAD = check([*HISTORY, Handed("w", ID), Handed("w", ID)], NETWORK)
PART = Outcome(
    "kills", 2.0, GOOD, {"sse": WayCounts(1, 3, 7, 2, 5), "rest": WayCounts(1, 1, 5, 0, 5)}, [], {"kills": 4}
)


def test_a_report_adds_up_what_came_over_all_ways() -> None:
    found = as_json(Run(7, 2.5, [PART]))
    assert (found["green"], found["seed"]) == (True, 7)
    part = found["parts"]["kills"]
    assert (part["kills"], part["repeats"], part["handed"], part["durable"]) == (4, 2, 10, 1)
    assert part["ways"]["sse"] == {"wallets": 1, "connections": 3, "delivered": 7, "repeats": 2, "handed": 5}
    assert set(found["broken_promises"].values()) == {0}


@pytest.mark.parametrize(
    "red",
    [replace(PART, verdict=BAD), replace(PART, verdict=check([], NETWORK)), replace(PART, node_faults=["Traceback"])],
)
def test_a_part_is_red_when_anything_was_broken_nothing_was_published_or_the_node_had_a_fault(red: Outcome) -> None:
    assert not Run(7, 2.5, [PART, red]).green
    assert "RED" in told(red)[0] and "green" in told(PART)[0]


def test_the_report_is_a_file_and_a_red_one_tells_the_story(tmp_path: Path) -> None:
    path = write_report(Run(7, 2.5, [replace(PART, verdict=BAD)]), tmp_path)
    assert path.name == "outages-7.json"
    found = msgspec.json.decode(path.read_bytes())
    assert found["broken_promises"]["twice"] == 1
    assert found["stories"][0].startswith(f"twice: {ID.hex()}")
