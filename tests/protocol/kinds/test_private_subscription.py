from typing import Any

import pytest

from pushmesh_protocol.kinds import Kind, SettingChoice
from pushmesh_protocol.limits import DAY_MS
from support.bodies import ISSUED_AT
from support.kinds import PASSES, outcome


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"on": False, "expires_at": ISSUED_AT + 400 * DAY_MS},
        {"settings": [SettingChoice("a", 1), SettingChoice("b", 2)]},
    ],
)
def test_a_private_subscription_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.PRIVATE_SUBSCRIPTION, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"receipts": True}, "4.25"),
        ({"on": False}, "4.4"),
        ({"settings": [SettingChoice("b", 0), SettingChoice("a", 0)]}, "4.13"),
        ({"settings": []}, "3.1"),
    ],
)
def test_a_private_subscription_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.PRIVATE_SUBSCRIPTION, **changes) == ("malformed", rule)
