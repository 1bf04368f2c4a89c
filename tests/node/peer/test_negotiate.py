import pytest
import trio
from hypothesis import given, strategies as st

from pushmesh_node.peer.errors import NegotiationError
from pushmesh_node.peer.negotiate import MAX_ATTEMPTS, answer, propose


class Ended(Exception):
    """The other side said nothing more."""


class Script:
    """What the other side says, all of it at once; what was written is kept."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.written = b""

    async def read_exactly(self, n: int) -> bytes:
        if len(self._said) < n:
            raise Ended
        data, self._said = self._said[:n], self._said[n:]
        return data

    async def write(self, data: bytes) -> None:
        self.written += data


def lines(*texts: str) -> bytes:
    return b"".join(bytes((len(text.encode()) + 1,)) + text.encode() + b"\n" for text in texts)


HEAD = "/multistream/1.0.0"


def test_the_first_protocol_that_the_peer_has_is_taken() -> None:
    conn = Script(lines(HEAD, "na", "/b"))
    assert trio.run(propose, conn, ["/a", "/b"]) == "/b"
    assert conn.written == lines(HEAD, "/a", "/b")


def test_a_peer_that_has_none_is_an_error() -> None:
    with pytest.raises(NegotiationError, match="none of the protocols"):
        trio.run(propose, Script(lines(HEAD, "na")), ["/a"])


@pytest.mark.parametrize("said", [lines("/other/1.0.0", "/a"), lines(HEAD, "/b")])
def test_a_peer_that_answers_something_else_is_an_error(said: bytes) -> None:
    with pytest.raises(NegotiationError):
        trio.run(propose, Script(said), ["/a"])


def test_a_supported_protocol_is_granted_and_others_are_not() -> None:
    conn = Script(lines(HEAD, "/plaintext/2.0.0", "ls", "/noise"))
    assert trio.run(answer, conn, ["/noise"]) == "/noise"
    assert conn.written == lines(HEAD, "na", "na", "/noise")


def test_a_peer_that_asks_for_ever_is_an_error() -> None:
    with pytest.raises(NegotiationError, match="too many"):
        trio.run(answer, Script(lines(HEAD, *["/x"] * MAX_ATTEMPTS)), ["/a"])


@pytest.mark.parametrize(
    "said",
    [
        b"\x00",  # an empty line
        b"\xff\x7f" + b"x" * 2_000,  # a line too long
        b"\x03\xff\xfe\n",  # not UTF-8
        b"\x02ab",  # no end
    ],
)
def test_bytes_that_are_no_negotiation_are_an_error(said: bytes) -> None:
    with pytest.raises(NegotiationError):
        trio.run(answer, Script(said), ["/a"])


@given(st.binary(max_size=100))
def test_any_bytes_give_a_protocol_or_an_error(said: bytes) -> None:
    for negotiate in (answer, propose):
        try:
            assert trio.run(negotiate, Script(said), ["/a"]) == "/a"
        except (NegotiationError, Ended):
            pass
