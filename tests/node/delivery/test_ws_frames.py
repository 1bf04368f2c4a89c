import asyncio

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketReader
from hypothesis import given, strategies as st

from pushmesh_node.delivery.ws_frames import (
    MOST_AT_ONCE,
    BrokenFrames,
    CloseCode,
    FrameReader,
    Opcode,
    Received,
    accept_of,
    close_frame,
    frame,
    is_key,
)

LIMIT = 100_000
NO_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
"""None of them may be sent in a close (RFC 6455, 7.4)."""


def client_frame(opcode: int, payload: bytes, mask: bytes = b"\x01\x02\xf3\x04", *, final: bool = True) -> bytes:
    """A masked frame, by the letter of RFC 6455."""
    first = opcode | (0x80 if final else 0)
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def refused(data: bytes, limit: int = LIMIT) -> CloseCode:
    with pytest.raises(BrokenFrames) as caught:
        FrameReader(limit).feed(data)
    return caught.value.code


messages = st.tuples(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.sampled_from([None, Opcode.PING, Opcode.PONG]),
    st.binary(min_size=4, max_size=4),
)


@given(said=st.lists(messages, max_size=6), cuts=st.lists(st.integers(1, 700), max_size=20))
def test_messages_come_whole_however_they_were_cut_and_controls_come_between(
    said: list[tuple[Opcode, list[bytes], Opcode | None, bytes]], cuts: list[int]
) -> None:
    stream, expected = b"", []
    for opcode, parts, control, mask in said:
        for place, part in enumerate(parts):
            stream += client_frame(opcode if place == 0 else 0, part, mask, final=place == len(parts) - 1)
            if control is not None and place < len(parts) - 1:
                stream += client_frame(control, b"now", mask)
                expected.append(Received(control, b"now"))
        expected.append(Received(opcode, b"".join(parts)))
    reader, found = FrameReader(LIMIT), []
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert found == expected


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, LIMIT])
def test_every_length_is_read_and_a_larger_one_is_refused(size: int) -> None:
    data = client_frame(Opcode.BINARY, b"x" * size)
    assert FrameReader(size).feed(data) == [Received(Opcode.BINARY, b"x" * size)]
    if size:
        assert refused(data, size - 1) is CloseCode.TOO_BIG


def test_a_size_is_refused_before_its_bytes_came() -> None:
    head = bytes((0x82, 0x80 | 127)) + (2**40).to_bytes(8, "big")
    assert refused(head) is CloseCode.TOO_BIG


@pytest.mark.parametrize(
    "data",
    [
        frame(Opcode.TEXT, b"unmasked"),
        bytes((0xC1, 0x80)) + bytes(4),
        client_frame(3, b""),
        client_frame(11, b""),
        client_frame(Opcode.CONTINUATION, b"of nothing"),
        client_frame(Opcode.TEXT, b"one", final=False) + client_frame(Opcode.TEXT, b"two"),
        client_frame(Opcode.PING, b"", final=False),
        client_frame(Opcode.PING, b"x" * 126),
        client_frame(Opcode.PING, b"x" * 126)[:2],
        *[client_frame(Opcode.CLOSE, bad) for bad in (b"x", *[code.to_bytes(2, "big") for code in NO_CODES])],
    ],
)
def test_what_breaks_the_protocol_is_refused(data: bytes) -> None:
    assert refused(data) is CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_close_says_nothing_or_a_code_that_may_be_sent_and_a_text(code: int) -> None:
    for payload in (b"", code.to_bytes(2, "big"), code.to_bytes(2, "big") + "au revoir \u00e0 tous".encode()):
        assert FrameReader(LIMIT).feed(client_frame(Opcode.CLOSE, payload)) == [Received(Opcode.CLOSE, payload)]
    assert refused(client_frame(Opcode.CLOSE, code.to_bytes(2, "big") + b"\xff")) is CloseCode.NOT_UTF8


def test_a_large_frame_in_small_pieces_is_not_copied_with_each_of_them() -> None:
    data, reader = client_frame(Opcode.BINARY, b"x" * 70_000), FrameReader(LIMIT)
    assert reader.feed(data[:100]) == []
    held = reader._held
    for at in range(100, len(data) - 1):
        assert reader.feed(data[at : at + 1]) == []
    assert reader._held is held
    assert reader.feed(data[-1:]) == [Received(Opcode.BINARY, b"x" * 70_000)]
    assert reader._held is None, "an idle one keeps nothing"


def test_fragments_are_bounded_together_even_empty_ones() -> None:
    first = client_frame(Opcode.TEXT, b"x" * 60, final=False)
    assert refused(first + client_frame(0, b"x" * 60, final=True), 100) is CloseCode.TOO_BIG
    assert refused(client_frame(1, b"", final=False) + client_frame(0, b"", final=False) * 10, 100) is (
        CloseCode.TOO_BIG
    )


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
async def test_another_implementation_reads_our_frames(size: int) -> None:
    protocol, loop = BaseProtocol(asyncio.get_running_loop()), asyncio.get_running_loop()
    queue = WebSocketDataQueue(protocol, 2**20, loop=loop)
    reader = WebSocketReader(queue, 2**20, compress=False, decode_text=False)
    reader.feed_data(frame(Opcode.BINARY, b"x" * size) + close_frame(1001, "draining" * 20))
    first, last = await queue.read(), await queue.read()
    assert (first.type, first.data) == (WSMsgType.BINARY, b"x" * size)
    assert (last.type, last.data, last.extra) == (WSMsgType.CLOSE, 1001, ("draining" * 20)[:123])


def test_the_handshake_of_the_standard() -> None:
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert is_key("dGhlIHNhbXBsZSBub25jZQ==")
    assert not any(map(is_key, ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "ÿ" * 24, "A" * 44]))


def test_of_a_flood_of_frames_so_many_are_looked_at_at_once_and_all_in_the_end() -> None:
    reader = FrameReader(LIMIT)
    flood = client_frame(Opcode.TEXT, b"a", final=False) + client_frame(Opcode.PING, b"") * (2 * MOST_AT_ONCE - 1)
    found = reader.feed(flood + client_frame(0, b"b")[:3])
    assert len(found) == MOST_AT_ONCE - 1 and reader.has_more
    found += reader.feed(client_frame(0, b"b")[3:])
    assert found == [Received(Opcode.PING, b"")] * (2 * MOST_AT_ONCE - 1) and reader.has_more
    assert reader.feed(b"") == [Received(Opcode.TEXT, b"ab")] and not reader.has_more
