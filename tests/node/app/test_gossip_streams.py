import asyncio
from collections.abc import Sequence

import pytest

from pushmesh_node.app.gossip_streams import GossipStream, GossipStreams, StreamLost
from pushmesh_node.ipc import Both, StreamClose, StreamCredit, StreamData, StreamOpen

NODE = b"n" * 32
WINDOW = 100


class Ends:
    """Main's end, with what it sent and what peers opened."""

    def __init__(self) -> None:
        self.sent: list[Both] = []
        self.opened: list[GossipStream] = []
        self.streams = GossipStreams(WINDOW, self._send, self.opened.append)

    def _send(self, messages: Sequence[Both]) -> None:
        self.sent += messages


async def test_own_streams_are_even_and_told() -> None:
    ends = Ends()
    first, second = ends.streams.open(NODE, "/p"), ends.streams.open(NODE, "/p")
    assert (first.stream_no, second.stream_no) == (2, 4)
    assert ends.sent == [StreamOpen(2, NODE, "/p"), StreamOpen(4, NODE, "/p")]


async def test_a_peers_stream_is_handed_over_and_read() -> None:
    ends = Ends()
    ends.streams.take(StreamOpen(1, NODE, "/p"))
    ends.streams.take(StreamData(1, b"ab"))
    ends.streams.take(StreamClose(1, None))
    [stream] = ends.opened
    assert (stream.node_id, stream.protocol) == (NODE, "/p")
    assert [await stream.read(), await stream.read()] == [b"ab", b""]


async def test_reading_gives_credit_in_quarters_of_the_window() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    ends.streams.take(StreamData(2, b"x" * 24))
    ends.streams.take(StreamData(2, b"x"))
    await stream.read()
    assert ends.sent[1:] == []
    await stream.read()
    assert ends.sent[1:] == [StreamCredit(2, 25)]


async def test_writing_stops_at_the_window_and_goes_on_with_credit() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    writing = asyncio.create_task(stream.write(b"x" * 150))
    await asyncio.sleep(0)
    assert ends.sent[1:] == [StreamData(2, b"x" * 100)] and not writing.done()
    ends.streams.take(StreamCredit(2, 30))
    await asyncio.sleep(0)
    ends.streams.take(StreamCredit(2, 30))
    await writing
    assert ends.sent[2:] == [StreamData(2, b"x" * 30), StreamData(2, b"x" * 20)]


async def test_an_end_of_one_direction_leaves_the_other() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    stream.close_write()
    stream.close_write()
    assert ends.sent[1:] == [StreamClose(2, None)]
    ends.streams.take(StreamData(2, b"late"))
    assert await stream.read() == b"late" and not stream.is_over
    with pytest.raises(StreamLost):
        await stream.write(b"x")
    ends.streams.take(StreamClose(2, None))
    assert stream.is_over


async def test_an_error_wakes_reader_and_writer_but_keeps_what_came_before() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    writing = asyncio.create_task(stream.write(b"x" * 150))
    await asyncio.sleep(0)
    ends.streams.take(StreamData(2, b"before"))
    ends.streams.take(StreamClose(2, "reset"))
    with pytest.raises(StreamLost, match="reset"):
        await writing
    assert await stream.read() == b"before"
    with pytest.raises(StreamLost, match="reset"):
        await stream.read()


async def test_a_reset_is_told_once_and_later_messages_have_no_effect() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    stream.reset("enough")
    stream.reset("enough")
    ends.streams.take(StreamData(2, b"late"))
    assert ends.sent[1:] == [StreamClose(2, "enough")]
    with pytest.raises(StreamLost, match="enough"):
        await stream.read()


async def test_the_end_of_the_process_ends_all_streams() -> None:
    ends = Ends()
    stream = ends.streams.open(NODE, "/p")
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    ends.streams.lose_all("process")
    with pytest.raises(StreamLost, match="process"):
        await reading
