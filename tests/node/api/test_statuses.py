import pytest

from pushmesh_node.api.statuses import retry_headers, status_of, status_of_outcomes
from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_protocol.reasons import REJECTS, Reason


def an_outcome(reason: Reason, level: Level = Level.REFUSED) -> Outcome:
    return Outcome(None, level, reason, "", "", None)


def test_every_reason_has_a_status_and_only_success_is_200() -> None:
    for reason in Reason:
        status = status_of(reason)
        assert (status == 200) == (reason in (Reason.OK, Reason.DUPLICATE)), reason
        assert status == 200 or 400 <= status < 600


def test_what_breaks_a_rule_of_bytes_is_the_clients_fault() -> None:
    assert {status_of(reason) for reason in REJECTS} == {400, 413}


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([], 200),
        ([an_outcome(Reason.OK, Level.DURABLE)], 200),
        ([an_outcome(Reason.MALFORMED), an_outcome(Reason.OK, Level.DURABLE)], 200),
        ([an_outcome(Reason.SLOT_VOID, Level.DURABLE)], 200),
        ([an_outcome(Reason.DUPLICATE)], 200),
        ([an_outcome(Reason.EXPIRED), an_outcome(Reason.MALFORMED)], 422),
        ([an_outcome(Reason.STORE_FULL)], 503),
    ],
)
def test_the_first_reason_decides_where_nothing_was_taken(outcomes: list[Outcome], status: int) -> None:
    assert status_of_outcomes(outcomes) == status


def test_only_what_passes_by_itself_says_when_to_come_back() -> None:
    assert retry_headers(503, None) == {"Retry-After": "1"}
    assert retry_headers(429, 0.2) == {"Retry-After": "1"}
    assert retry_headers(429, 30.4) == {"Retry-After": "31"}
    assert retry_headers(400, 5) == {}
