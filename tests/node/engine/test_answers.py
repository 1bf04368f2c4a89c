from pushmesh_node.engine.answers import Denied, Level, Outcome
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import EnvelopeId


def test_an_outcome_has_one_json_form() -> None:
    done = Outcome(EnvelopeId(b"\x0a" * 32), Level.DURABLE, Reason.OK, "", "", 7)
    assert done.as_json() == {
        "id": "0a" * 32,
        "level": "durable",
        "reason": "ok",
        "rule": "",
        "detail": "",
        "commit_no": 7,
    }
    unread = Outcome(None, Level.REFUSED, Reason.MALFORMED, "3.1", "no frame", None)
    assert unread.as_json()["id"] is None


def test_a_denial_keeps_the_refusal_that_it_came_from() -> None:
    denied = Denied.from_refusal(Refusal(Reason.BAD_VOUCHER, "10.1", "signature"))
    assert denied.as_json() == {"reason": "bad-voucher", "rule": "10.1", "detail": "signature"}
    assert denied.retry_after_s is None
    assert "bad-voucher" in str(denied)
