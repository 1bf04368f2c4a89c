from typing import Any

import pytest

from pushmesh_protocol.kinds import Kind, SettingChoice
from pushmesh_protocol.limits import DAY_MS
from support.bodies import ISSUED_AT
from support.kinds import PASSES, outcome

OFF_LIFE = 400 * DAY_MS


@pytest.mark.parametrize(
    "changes",
    [
        {"on": True, "receipts": True},
        {"on": False, "expires_at": ISSUED_AT + OFF_LIFE},
        {"settings": [SettingChoice("a", 2**53), SettingChoice("b", -(2**53))]},
        {"settings": [SettingChoice(f"{number:02}", 0) for number in range(32)]},
    ],
)
def test_subscription_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.SUBSCRIPTION, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"on": False}, "4.4"),
        ({"on": False, "expires_at": ISSUED_AT + OFF_LIFE + 1}, "4.4"),
        ({"on": 1}, "3.1"),
        ({"receipts": None}, "3.1"),
        ({"settings": []}, "3.1"),
        ({"settings": [SettingChoice("b", 0), SettingChoice("a", 0)]}, "4.13"),
        ({"settings": [SettingChoice("a", 0), SettingChoice("a", 1)]}, "4.13"),
        ({"settings": [SettingChoice("a", 2**53 + 1)]}, "3.1"),
        ({"settings": [SettingChoice("a b", 0)]}, "3.1"),
        ({"settings": [SettingChoice(f"{number:02}", 0) for number in range(33)]}, "3.1"),
    ],
)
def test_subscription_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.SUBSCRIPTION, **changes) == ("malformed", rule)
