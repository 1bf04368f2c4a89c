import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from pushmesh_node.ipc import Credit, Down, IpcError, Judge, Peer, Stop
from pushmesh_node.ipc_wire import encode, up_decoder
from pushmesh_node.peer.main_link import MainLink


@asynccontextmanager
async def a_pair() -> AsyncIterator[tuple[MainLink, trio.SocketStream]]:
    near, far = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
    async with near, far:
        yield MainLink(near), far


def test_messages_go_up_in_order_and_in_one_write() -> None:
    async def main() -> None:
        async with a_pair() as (link, far), trio.open_nursery() as nursery:
            messages = [Credit(n, n) for n in range(5)]
            for message in messages:
                link.send(message)
            nursery.start_soon(link.run_writer)
            assert up_decoder().feed(await far.receive_some(9_999)) == messages
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_all_messages_of_one_read_come_down_together() -> None:
    async def main() -> None:
        async with a_pair() as (link, far):
            sent: list[Down] = [Credit(1, 1), Judge(1, 0), Stop()]
            data = encode(sent)
            await far.send_all(data[:-1])
            assert await link.receive() == sent[:2]
            await far.send_all(data[-1:])
            assert await link.receive() == sent[2:]

    trio.run(main)


def test_the_end_of_main_is_an_end() -> None:
    async def main() -> None:
        async with a_pair() as (link, far):
            await far.aclose()
            with pytest.raises(EOFError):
                await link.receive()
            link.send(Credit(1, 1))
            assert await link.flush() is False

    trio.run(main)


def test_garbage_is_an_error() -> None:
    async def main() -> None:
        async with a_pair() as (link, far):
            await far.send_all(b"\xff" * 8)
            with pytest.raises(IpcError):
                await link.receive()

    trio.run(main)


def test_a_main_that_never_reads_is_an_error_and_not_all_the_memory() -> None:
    async def main() -> None:
        async with a_pair() as (link, _):
            with pytest.raises(IpcError, match="does not read"):
                for _ in range(200_000):
                    link.send(Peer(bytes(32), [], True))

    trio.run(main)
