import pytest
import trio
import trio.testing
from libp2p.io.exceptions import ConnectionClosedError

from pushmesh_node.peer.tcp import TcpConnection


async def a_pair() -> tuple[TcpConnection, trio.SocketStream]:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    far = await listener.accept()
    await listener.aclose()
    return TcpConnection(near, outbound=True), far


def test_reads_are_exact_whatever_the_pieces() -> None:
    async def main() -> list[bytes]:
        conn, far = await a_pair()
        for piece in (b"ab", b"cdefg", b"h"):
            await far.send_all(piece)
        await far.aclose()
        out = [await conn.read(3), await conn.read(4), await conn.read(9), await conn.read(1)]
        await conn.close()
        return out

    assert trio.run(main) == [b"abc", b"defg", b"h", b""]


def test_a_read_without_length_gives_what_is_there() -> None:
    async def main() -> bytes:
        conn, far = await a_pair()
        async with far:
            await far.send_all(b"abc")
            data = await conn.read(1) + await conn.read()
            await conn.close()
            return data

    assert trio.run(main) == b"abc"


def test_an_exact_read_does_not_take_an_end_for_an_answer() -> None:
    async def main() -> None:
        conn, far = await a_pair()
        await far.send_all(b"ab")
        await far.aclose()
        try:
            await conn.read_exactly(3)
        finally:
            await conn.close()

    with pytest.raises(ConnectionClosedError):
        trio.run(main)


def test_an_abort_wakes_the_reader_and_fails_the_writer() -> None:
    async def main() -> None:
        conn, far = await a_pair()
        async with far, trio.open_nursery() as nursery:
            nursery.start_soon(_expect_closed, conn)
            await trio.testing.wait_all_tasks_blocked()
            conn.abort()
            conn.abort()
        with pytest.raises(ConnectionClosedError):
            await conn.write(b"x")
        await conn.close()

    trio.run(main)


async def _expect_closed(conn: TcpConnection) -> None:
    with pytest.raises(ConnectionClosedError):
        await conn.read(1)


def test_both_ends_addresses_are_known() -> None:
    async def main() -> None:
        conn, far = await a_pair()
        assert conn.remote == far.socket.getsockname() == conn.get_remote_address()
        assert conn.local == far.socket.getpeername()
        await conn.close()
        await far.aclose()

    trio.run(main)
