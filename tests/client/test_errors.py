import pytest

from pushmesh_client import errors


@pytest.mark.parametrize(
    "kind",
    [errors.Unreachable, errors.TimedOut, errors.BadAnswer, errors.KeyFileError, errors.BookError, errors.NoFreeSlot],
)
def test_every_error_is_a_client_error_with_a_reason_and_its_sentence(kind: type[errors.ClientError]) -> None:
    error = kind("it rains")
    assert isinstance(error, errors.ClientError)
    assert (str(error), error.detail, error.rule) == ("it rains", "it rains", "")
    assert error.reason == kind.default_reason != errors.ClientError.default_reason


def test_a_refusal_reads_as_the_nodes_own_words() -> None:
    refusal = errors.Refused("the grant is not known here", reason="unknown-grant", rule="5.15", status=401)
    assert str(refusal) == "unknown-grant: the grant is not known here (SPEC 5.15)"
    assert str(errors.Refused("", reason="draining")) == "draining"
