from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import Kind, Preference
from support.kinds import AUTHOR, PASSES, outcome

LOW = bytes(evm_account(bytes(20)))


def many(count: int) -> list[Preference]:
    return [Preference(1, bytes(evm_account(number.to_bytes(20, "big")))) for number in range(count)]


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [Preference(1, LOW), Preference(2, LOW), Preference(3, LOW)],
        sorted([Preference(1, LOW), Preference(1, Topic(LOW, "a"))], key=lambda entry: pack(entry.subject)),
        many(1024),
    ],
)
def test_preferences_within_the_rules_pass(entries: list[Preference]) -> None:
    assert outcome(Kind.PREFERENCES, entries=entries) == PASSES


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([Preference(2, LOW), Preference(1, LOW)], "4.19"),
        ([Preference(1, LOW), Preference(1, LOW)], "4.19"),
        ([Preference(1, bytes(AUTHOR)), Preference(1, LOW)], "4.19"),
        ([Preference(0, LOW)], "3.1"),
        ([Preference(4, LOW)], "3.1"),
        ([Preference(1, b"\x00")], "2.1"),
        ([Preference(1, Topic(b"\x00", "a"))], "2.1"),
        ([Preference(1, Topic(LOW, "A"))], "2.3"),
        (many(1025), "3.1"),
        (None, "3.1"),
    ],
)
def test_preferences_outside_the_rules_are_malformed(entries: Any, rule: str) -> None:
    assert outcome(Kind.PREFERENCES, entries=entries) == ("malformed", rule)
