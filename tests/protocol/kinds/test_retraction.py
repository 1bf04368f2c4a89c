from typing import Any

import pytest

from pushmesh_protocol.kinds import Kind
from support.kinds import PASSES, outcome


@pytest.mark.parametrize("changes", [{"mode": 1}, {"mode": 2}, {"mode": 3, "replacement": bytes(32)}])
def test_retraction_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.RETRACTION, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"mode": 0}, "3.1"),
        ({"mode": 4}, "3.1"),
        ({"mode": 3}, "4.17"),
        ({"mode": 1, "replacement": bytes(32)}, "4.17"),
        ({"mode": 2, "replacement": bytes(32)}, "4.17"),
        ({"mode": 3, "replacement": bytes(31)}, "3.1"),
        ({"target": bytes(33)}, "3.1"),
        ({"target": None}, "3.1"),
    ],
)
def test_retraction_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.RETRACTION, **changes) == ("malformed", rule)
