from typing import Any

import pytest

from pushmesh_protocol.kinds import Category, Kind, Setting
from support.kinds import PASSES, outcome

SWITCH, RANGE = Setting("email", 0, "E-mail", 1, 0, 1), Setting("level", 1, "Level", 5, -10, 10)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "T" * 128},
        {"description": "d" * 1024},
        {"icon": b"i" * 8192},
        {"categories": [Category("a", "A"), Category("b", "A" * 64)]},
        {"categories": [Category(f"{number:02}", "x") for number in range(32)]},
        {"settings": [SWITCH, RANGE]},
        {"settings": [Setting("s", 0, "S", 0, 0, 1)]},
        {"settings": [Setting("s", 1, "S", 7, 7, 7)]},
        {"settings": [Setting("s", 1, "S", 0, -(2**53), 2**53)]},
    ],
)
def test_details_within_the_rules_pass(changes: dict[str, Any]) -> None:
    assert outcome(Kind.TOPIC, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"title": ""}, "3.1"),
        ({"title": "T" * 129}, "3.1"),
        ({"title": "two\nlines"}, "3.3"),
        ({"description": ""}, "3.1"),
        ({"description": "d" * 1025}, "3.1"),
        ({"description": "tab\there"}, "3.3"),
        ({"icon": b""}, "3.1"),
        ({"icon": b"i" * 8193}, "3.1"),
        ({"categories": []}, "3.1"),
        ({"categories": [Category(f"{number:02}", "x") for number in range(33)]}, "3.1"),
        ({"categories": [Category("b", "B"), Category("a", "A")]}, "4.8"),
        ({"categories": [Category("a", "A"), Category("a", "B")]}, "4.8"),
        ({"categories": [Category("A", "A")]}, "3.1"),
        ({"categories": [Category("a", "\u202eA")]}, "3.3"),
        ({"settings": []}, "3.1"),
        ({"settings": [RANGE, SWITCH]}, "4.8"),
        ({"settings": [Setting("s", 2, "S", 0, 0, 1)]}, "3.1"),
        ({"settings": [Setting("s", 0, "S", 0, 0, 2)]}, "4.8"),
        ({"settings": [Setting("s", 0, "S", 1, 1, 1)]}, "4.8"),
        ({"settings": [Setting("s", 0, "S", 2, 0, 1)]}, "4.8"),
        ({"settings": [Setting("s", 1, "S", 11, 0, 10)]}, "4.8"),
        ({"settings": [Setting("s", 1, "S", -1, 0, 10)]}, "4.8"),
        ({"settings": [Setting("s", 1, "S", 0, 10, -10)]}, "4.8"),
        ({"settings": [Setting("s", 1, "S", 0, -(2**53) - 1, 0)]}, "3.1"),
        ({"settings": [Setting("s", 1, "\x07", 0, 0, 0)]}, "3.3"),
    ],
)
def test_details_outside_the_rules_are_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.TOPIC, **changes) == ("malformed", rule)
