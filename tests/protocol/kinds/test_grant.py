from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.kinds import Kind, Scope
from support.bodies import ISSUED_AT, WALLET_RANGE
from support.kinds import AUTHOR, PASSES, outcome

LAST = 2**32 - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": [int(scope) for scope in Scope]},
        {"scopes": [int(Scope.VOUCHER)]},
        {"seal_key": b"\x01" * 32},
        {"topics": [Topic(AUTHOR, "a"), Topic(AUTHOR, "b")]},
        {"topics": [Topic(AUTHOR, f"{number:02}") for number in range(32)]},
        {"topics": [Topic(evm_account(bytes(20)), "z"), Topic(AUTHOR, "a")]},
        {"first_seq": WALLET_RANGE, "end_seq": WALLET_RANGE + 1},
        {"first_seq": LAST - 1, "end_seq": LAST},
        {"not_before": ISSUED_AT + 86_400_000 - 1},
    ],
)
def test_grant_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.GRANT, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"key": bytes(31)}, "3.1"),
        ({"seal_key": b""}, "3.1"),
        ({"scopes": []}, "3.1"),
        ({"scopes": [5, 4]}, "4.9"),
        ({"scopes": [5, 5]}, "4.9"),
        ({"scopes": [int(Kind.GRANT)]}, "4.9"),
        ({"scopes": [int(Kind.PREFERENCES)]}, "4.9"),
        ({"scopes": [131]}, "4.9"),
        ({"scopes": list(range(1, 11))}, "3.1"),
        ({"topics": []}, "3.1"),
        ({"topics": [Topic(AUTHOR, "b"), Topic(AUTHOR, "a")]}, "4.9"),
        ({"topics": [Topic(AUTHOR, "a"), Topic(AUTHOR, "a")]}, "4.9"),
        ({"topics": [Topic(AUTHOR, "A")]}, "2.3"),
        ({"topics": [Topic(AUTHOR, f"{number:02}") for number in range(33)]}, "3.1"),
        ({"first_seq": WALLET_RANGE - 1}, "4.9"),
        ({"first_seq": WALLET_RANGE, "end_seq": WALLET_RANGE}, "4.9"),
        ({"first_seq": WALLET_RANGE + 2, "end_seq": WALLET_RANGE + 1}, "4.9"),
        ({"end_seq": 2**32}, "3.1"),
        ({"not_before": ISSUED_AT - 1}, "4.9"),
        ({"not_before": ISSUED_AT + 86_400_000}, "4.9"),
    ],
)
def test_grant_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.GRANT, **changes) == ("malformed", rule)


def test_scopes_are_the_gossiped_kinds_but_grant_and_three_more() -> None:
    kinds = {kind for kind in Kind if kind not in (Kind.GRANT, Kind.PREFERENCES, Kind.PRIVATE_SUBSCRIPTION)}
    assert set(Scope) == kinds | {128, 129, 130}
    assert all(Scope(kind).name == kind.name for kind in kinds)
