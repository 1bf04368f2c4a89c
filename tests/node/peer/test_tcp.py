import pytest
import trio
import trio.testing
from libp2p.io.exceptions import ConnectionClosedError

from pushmesh_node.gossip.windows import LEAST_BYTES, MOST_BYTES
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


async def fill(far: trio.SocketStream) -> int:
    """How much goes to an end that does not read."""
    went = 0
    while True:
        with trio.move_on_after(0.3):
            went += await far.socket.send(bytes(20_000))
            continue
        return went


@pytest.mark.parametrize("grows", [False, True])
def test_a_peer_that_is_not_read_has_as_much_on_its_way_as_it_may(*, grows: bool) -> None:
    async def main() -> None:
        conn, far = await a_pair()
        far.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, 1)
        async with far:
            if grows:
                conn.bound_unread(MOST_BYTES)
            sent = await fill(far)
            assert (LEAST_BYTES // 2 <= sent <= 2 * LEAST_BYTES) is not grows
            assert sent <= 2 * MOST_BYTES
            assert len(await conn.read(sent)) == sent
            await conn.close()

    trio.run(main)


def test_a_window_that_grows_while_it_is_full_lets_more_come_and_a_closed_socket_has_none() -> None:
    async def main() -> None:
        conn, far = await a_pair()
        far.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, 1)
        async with far:
            first = await fill(far)
            conn.bound_unread(MOST_BYTES)
            assert len(await conn.read(first)) == first
            assert await fill(far) > first
            conn.abort()
            conn.bound_unread(LEAST_BYTES)
            await conn.close()

    trio.run(main)


def test_both_ends_addresses_are_known() -> None:
    async def main() -> None:
        conn, far = await a_pair()
        assert conn.remote == far.socket.getsockname() == conn.get_remote_address()
        assert conn.local == far.socket.getpeername()
        await conn.close()
        await far.aclose()

    trio.run(main)
