import socket

import pytest

from pushmesh_node.lab.crowd import Crowd, Reference
from pushmesh_node.lab.framing import CLOSE, TEXT, FramingError, server_frame

MESSAGE = b'{"type":"message","cursor":"%b.%d","frame":"%b"}'


def a_message(number: int, size: int = 200) -> bytes:
    return server_frame(TEXT, MESSAGE % (b"ab" * 16, number, b"x" * size))


def test_the_reference_knows_where_each_message_ends_and_its_cursor_however_it_is_cut() -> None:
    stream = a_message(1) + server_frame(TEXT, b'{"type":"acked"}') + a_message(2) + server_frame(TEXT, b"{}")
    for step in (1, 7, len(stream)):
        reference = Reference()
        for at in range(0, len(stream), step):
            reference.feed(stream[at : at + step])
        first = len(a_message(1))
        assert reference.ends == [first, first + 18 + len(a_message(2))]
        assert (reference.bytes, reference.acked, reference.cursor) == (len(stream), 1, b"ab" * 16 + b".2")


@pytest.mark.parametrize(
    "frame", [server_frame(CLOSE, b"\x03\xe8"), server_frame(TEXT, b'{"type":"end","reason":"draining"}')]
)
def test_a_stream_that_ends_is_no_measurement(frame: bytes) -> None:
    with pytest.raises(FramingError):
        Reference().feed(frame)


def test_a_crowd_has_read_when_every_stream_was_given_its_bytes() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    crowd = Crowd([ours for ours, _ in pairs])
    for _, theirs in pairs:
        theirs.sendall(b"x" * 100)
    crowd.read_until(100)
    assert crowd.total == 300
    pairs[2][1].close()
    with pytest.raises(FramingError, match="closed"):
        crowd.read_until(101)
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
