import struct

import pytest
import trio
from libp2p.io.exceptions import ConnectionClosedError

from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.errors import StreamBroken
from pushmesh_node.peer.muxer import MAX_BUFFERED_BYTES, Stream
from pushmesh_node.peer.negotiate import propose
from support.trio_hosts import attacker, connect, echo, hosts, open_stream

BIG = bytes(range(256)) * 4_000  # several windows


def test_more_than_a_window_comes_back_whole() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            stream = await (await connect(b, a)).open("/echo")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send, stream, BIG)
                back = b""
                while data := await stream.read():
                    back += data
            assert back == BIG

    trio.run(main)


async def _send(stream: Stream, data: bytes) -> None:
    await stream.write(data)
    await stream.close_write()


def test_exact_reads_take_what_is_left_over_first() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            stream = await (await connect(b, a)).open("/echo")
            await _send(stream, b"abcdef")
            assert [await stream.read_exactly(2), await stream.read(2)] == [b"ab", b"cd"]
            with pytest.raises(StreamBroken, match="ended"):
                await stream.read_exactly(3)

    trio.run(main)


def test_pieces_that_came_while_nobody_read_are_all_there_and_then_the_end() -> None:
    async def main() -> None:
        read, done = trio.Event(), trio.Event()
        got: list[bytes] = []

        async def late(connection: Connection, protocol: str, stream: Stream) -> None:
            await read.wait()
            while data := await stream.read(50_000):
                got.append(data)
            done.set()

        async with hosts({"/late": late, "/echo": echo}, {}) as (a, b):
            connection = await connect(b, a)
            stream, other = await connection.open("/late"), await connection.open("/echo")
            for number in range(9):
                await stream.write(bytes([number]) * 20_000)
            await stream.close_write()
            await other.write(b"x")
            assert await other.read() == b"x"  # all of it is at the other end by now
            read.set()
            with trio.fail_after(10):
                await done.wait()
            assert b"".join(got) == b"".join(bytes([number]) * 20_000 for number in range(9))
            assert max(map(len, got)) == 50_000

    trio.run(main)


def test_data_for_a_stream_that_is_none_or_no_more_disturbs_nobody() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}) as (a,), attacker(a.address) as muxer:
            stream, gone = await open_stream(muxer), await open_stream(muxer)
            await propose(stream, ["/echo"])
            await gone.reset()
            for stream_id in (gone._muxed.stream_id, 77):
                await muxer._write_frame(struct.pack("!BBHII", 0, 0, 0, stream_id, 5) + b"stray")
            await stream.write(b"x")
            assert await stream.read() == b"x"
            assert not a.watching.went

    trio.run(main)


def test_a_reset_breaks_both_ends() -> None:
    seen: list[str] = []

    async def wait(connection: Connection, protocol: str, stream: Stream) -> None:
        try:
            await stream.read()
        except StreamBroken:
            seen.append("broken")

    async def main() -> None:
        async with hosts({"/wait": wait}, {"/echo": echo}) as (a, b):
            stream = await (await connect(b, a)).open("/wait")
            await stream.reset()
            await stream.reset()
            with pytest.raises(StreamBroken):
                await stream.write(b"x")
            with pytest.raises(StreamBroken):
                await stream.read()
            again = await a.watching.came[0].open("/echo")  # the other way on the same connection
            await _send(again, b"still here")
            assert await again.read() == b"still here"

    trio.run(main)
    assert seen == ["broken"]


def test_a_writer_gives_up_on_a_peer_that_does_not_read() -> None:
    async def sit(connection: Connection, protocol: str, stream: Stream) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        async with hosts({"/sit": sit}, {}) as (a, b):
            stream = await (await connect(b, a)).open("/sit")
            with pytest.raises(StreamBroken, match="room"):
                await stream.write(BIG, timeout_s=0.2)

    trio.run(main)


def test_a_peer_that_ignores_the_windows_loses_its_connection() -> None:
    async def sit(connection: Connection, protocol: str, stream: Stream) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        async with hosts({"/sit": sit}) as (a,), attacker(a.address) as muxer:
            stream = await open_stream(muxer)
            await propose(stream, ["/sit"])
            stream_id, piece = stream._muxed.stream_id, bytes(60_000)
            with pytest.raises(ConnectionClosedError):
                for _ in range(MAX_BUFFERED_BYTES):
                    await muxer._write_frame(struct.pack("!BBHII", 0, 0, 0, stream_id, len(piece)) + piece)
            await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "violation"

    trio.run(main)


def test_a_frame_of_sixteen_megabytes_is_not_waited_for() -> None:
    async def main() -> None:
        async with hosts({}) as (a,), attacker(a.address) as muxer:
            stream = await open_stream(muxer)
            await muxer._write_frame(struct.pack("!BBHII", 0, 0, 0, stream._muxed.stream_id, 16 * 1024 * 1024))
            await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "violation"

    trio.run(main)
