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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 8080)"), "Connection refused"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
        (OSError(-2, "Name or service not known"), "[Errno -2] Name or service not known"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_an_unreachable_node_is_told_in_the_systems_words(error: Exception, words: str) -> None:
    assert str(errors.Unreachable.by("http://node", error)).endswith(f"http://node is not reachable ({words})")
