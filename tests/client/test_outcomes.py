from typing import Any

import pytest

from pushmesh_client.errors import BadAnswer
from pushmesh_client.outcomes import Outcome, read_outcome

GOOD: dict[str, Any] = {
    "id": "ab" * 32,
    "level": "durable",
    "reason": "ok",
    "rule": "",
    "detail": "",
    "commit_no": 7,
}


def test_an_outcome_is_read_as_it_stands() -> None:
    assert read_outcome(GOOD) == Outcome(bytes.fromhex("ab" * 32), "durable", "ok", "", "", 7)
    assert read_outcome({"id": None, "level": "refused", "reason": "malformed"}).id is None


@pytest.mark.parametrize(
    "change", [{"id": "xy"}, {"id": 5}, {"level": "perfect"}, {"commit_no": "7"}, {"reason": ...}, {"level": ...}]
)
def test_what_is_no_outcome_is_a_bad_answer(change: dict[str, Any]) -> None:
    answer = {name: value for name, value in (GOOD | change).items() if value is not ...}
    with pytest.raises(BadAnswer):
        read_outcome(answer)


@pytest.mark.parametrize(
    ("change", "ok"),
    [({}, True), ({"reason": "duplicate"}, True), ({"reason": "slot-void"}, False), ({"level": "accepted"}, False)],
)
def test_only_a_durable_envelope_in_a_good_slot_is_ok(change: dict[str, Any], ok: bool) -> None:
    assert read_outcome(GOOD | change).ok is ok


@pytest.mark.parametrize(
    ("told", "read"),
    [(1, 1.0), (0.25, 0.25), (None, None), ("1", None), (-1, None), (1e300, None), (float("nan"), None)],
)
def test_the_time_to_come_back_is_a_number_of_seconds_or_nothing(told: object, read: float | None) -> None:
    assert read_outcome(GOOD | {"retry_after_s": told}).retry_after_s == read
