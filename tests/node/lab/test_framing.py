import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from pushmesh_node.lab.framing import (
    BINARY,
    TEXT,
    FrameReader,
    FramingError,
    accept_of,
    client_frame,
    connect,
    server_frame,
)

PAYLOADS = st.lists(
    st.one_of(st.binary(max_size=300), st.integers(124, 128).map(bytes), st.just(bytes(70_000))), max_size=6
)


@given(PAYLOADS, st.integers(1, 5000), st.booleans())
def test_frames_come_back_whole_however_they_are_cut(payloads: list[bytes], step: int, masked: bool) -> None:
    build: Callable[[int, bytes], bytes] = client_frame if masked else server_frame
    data = b"".join(build(BINARY, payload) for payload in payloads)
    reader, frames = FrameReader(), []
    for at in range(0, len(data), step):
        frames += reader.feed(data[at : at + step])
    assert frames == [(BINARY, payload) for payload in payloads]


def test_a_real_mask_and_a_fragment_are_refused() -> None:
    masked = bytearray(client_frame(TEXT, b"abc"))
    masked[2:6] = b"\x01\x02\x03\x04"
    with pytest.raises(FramingError, match="masked"):
        FrameReader().feed(bytes(masked))
    with pytest.raises(FramingError, match="fragments"):
        FrameReader().feed(b"\x01\x01a")


def test_the_accept_is_the_one_of_the_rfc() -> None:
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 101 Yes\r\n\r\n", b""])
def test_a_server_that_does_not_shake_hands_is_refused(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.recv(4096)
                link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(FramingError):
            connect("127.0.0.1", server.getsockname()[1], "/")[0].close()
        thread.join()
