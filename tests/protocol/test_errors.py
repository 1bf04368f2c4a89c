import pytest

from pushmesh_protocol.errors import AccountError, NetworkFileError, ProtocolError, Refusal
from pushmesh_protocol.reasons import Reason, Verdict


def test_a_refusal_carries_reason_rule_and_detail() -> None:
    refusal = Refusal(Reason.OVERSIZE, "8.2", "larger than 262144 bytes")
    assert (refusal.reason, refusal.rule, refusal.detail) == ("oversize", "8.2", "larger than 262144 bytes")
    assert str(refusal) == "oversize: larger than 262144 bytes (SPEC 8.2)"


def test_the_verdict_follows_from_the_reason() -> None:
    assert Refusal(Reason.BAD_SIGNATURE, "5.7", "").verdict is Verdict.REJECT
    assert Refusal(Reason.EXPIRED, "7.2", "").verdict is Verdict.IGNORE


@pytest.mark.parametrize("error", [Refusal, NetworkFileError, AccountError])
def test_one_base_catches_all(error: type[Exception]) -> None:
    assert issubclass(error, ProtocolError)


def test_a_kept_refusal_holds_neither_frames_nor_causes() -> None:
    try:
        try:
            raise ValueError("the world")
        except ValueError as error:
            raise Refusal(Reason.MALFORMED, "3.1", "no") from error
    except Refusal as refusal:
        kept = refusal.alone()
        assert kept is refusal
    assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)
    assert kept.reason is Reason.MALFORMED
