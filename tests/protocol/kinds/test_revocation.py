from typing import Any

import pytest

from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from support.bodies import ISSUED_AT
from support.kinds import PASSES, outcome

LIFE = 490 * DAY_MS


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grant_id": None, "before": 0},
        {"grant_id": None, "before": ISSUED_AT},
        {"cut_time": 0, "cut_seq": 0},
        {"cut_time": ISSUED_AT + LIFE, "cut_seq": 2**32 - 1},
    ],
)
def test_revocation_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.REVOCATION, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"grant_id": None}, "4.10"),
        ({"before": ISSUED_AT}, "4.10"),
        ({"expires_at": ISSUED_AT + LIFE - 1}, "4.4"),
        ({"expires_at": ISSUED_AT + LIFE + 1}, "4.4"),
        ({"grant_id": bytes(31)}, "3.1"),
        ({"cut_seq": 2**32}, "3.1"),
        ({"cut_time": None}, "3.1"),
    ],
)
def test_revocation_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.REVOCATION, **changes) == ("malformed", rule)
