import pytest

from pushmesh_protocol.kinds.checks import check_ascending, malformed
from support.refusals import refusal_of


def test_malformed_carries_rule_and_detail() -> None:
    refusal = malformed("4.9", "the range is empty")
    assert (refusal.reason, refusal.rule, refusal.detail) == ("malformed", "4.9", "the range is empty")


@pytest.mark.parametrize("values", [[], [1], [1, 2, 9], [b"a", b"aa", b"b"], [(1, "b"), (2, "a")]])
def test_strictly_ascending_values_pass(values: list[object]) -> None:
    check_ascending("4.9", "scopes", values)


@pytest.mark.parametrize("values", [[2, 1], [1, 1], [1, 3, 2], [b"b", b"aa"], [0, 0]])
def test_a_repeated_or_falling_value_is_refused(values: list[object]) -> None:
    assert refusal_of(check_ascending, "4.9", "scopes", values) == ("malformed", "4.9")
