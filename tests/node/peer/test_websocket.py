from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given, settings as hypothesis_settings, strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, CloseConnection, Ping, Request, TextMessage

from pushmesh_node.peer import websocket
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.errors import AddressError, PeerError
from pushmesh_node.peer.guard import PINGS_PER_S
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.rate import BURST_S
from pushmesh_node.peer.websocket import WebSocketStream
from support.trio_hosts import Running, connect, echo, run_host

WS = "/ip4/127.0.0.1/tcp/0/ws"


@asynccontextmanager
async def sockets() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Both ends of a TCP connection, the caller's first."""
    async with trio.open_nursery() as nursery:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        near = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        far = await listener.accept()
        async with listener, near, far:
            yield near, far
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def a_pair() -> AsyncIterator[tuple[WebSocketStream, WebSocketStream]]:
    async with sockets() as (near, far):
        yield WebSocketStream(near, "127.0.0.1:1"), WebSocketStream(far)


async def read_exactly(stream: WebSocketStream, n: int) -> bytes:
    data = b""
    while len(data) < n:
        piece = await stream.receive_some(65_536)
        assert piece
        data += piece
    return data


def test_bytes_pass_in_both_directions_whoever_speaks_first() -> None:
    async def main() -> None:
        async with a_pair() as (client, server), trio.open_nursery() as nursery:
            nursery.start_soon(server.send_all, b"from the server")
            assert await read_exactly(client, 15) == b"from the server"
            big = bytes(range(256)) * 2_000
            nursery.start_soon(client.send_all, big)
            assert await read_exactly(server, len(big)) == big

    trio.run(main)


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=3_000), max_size=8), st.integers(1, 5_000))
def test_it_is_a_stream_whatever_the_messages(pieces: list[bytes], at_most: int) -> None:
    async def main() -> None:
        async with a_pair() as (client, server), trio.open_nursery() as nursery:

            async def send() -> None:
                for piece in pieces:
                    await client.send_all(piece)
                await client.aclose()

            nursery.start_soon(send)
            got = b""
            with trio.fail_after(20):
                while data := await server.receive_some(at_most):
                    assert len(data) <= at_most
                    got += data
            assert got == b"".join(pieces)

    trio.run(main)


def test_a_good_bye_is_an_end_and_so_is_a_lost_connection() -> None:
    async def main() -> None:
        async with a_pair() as (client, server), trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, b"x")
            assert await read_exactly(server, 1) == b"x"
            await client.aclose()
            await client.aclose()
            assert await server.receive_some(9) == b"" and await server.receive_some(9) == b""
            with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
                await server.send_all(b"late")
        async with a_pair() as (client, server), trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, b"x")
            assert await read_exactly(server, 1) == b"x"
            client.socket.close()
            assert await server.receive_some(9) == b""

    trio.run(main)


async def rude(far: trio.SocketStream, *events: BytesMessage | TextMessage | Ping | CloseConnection) -> WSConnection:
    """A client that did the handshake and then sends what it likes."""
    ws = WSConnection(ConnectionType.CLIENT)
    await far.send_all(ws.send(Request(host="h", target="/")))
    while not list(ws.events()):
        ws.receive_data(await far.receive_some(9_999))
    for event in events:
        await far.send_all(ws.send(event))
    return ws


def test_text_and_floods_of_pings_break_it() -> None:
    async def main() -> None:
        pings = [Ping(b"%d" % n) for n in range(PINGS_PER_S * BURST_S + 1)]
        for events in ([TextMessage("hello")], pings):
            async with sockets() as (near, far), trio.open_nursery() as nursery:
                server = WebSocketStream(far)
                nursery.start_soon(rude, near, *events)
                with pytest.raises(trio.BrokenResourceError):
                    await server.receive_some(9)

    trio.run(main)


def test_who_sends_more_messages_than_anybody_needs_is_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "EVENTS_PER_S", 1)

    async def main() -> None:
        async with sockets() as (near, far), trio.open_nursery() as nursery:
            server = WebSocketStream(far)
            nursery.start_soon(rude, near, *[BytesMessage(b"")] * 1_000, BytesMessage(b"x"))
            with trio.move_on_after(0.5) as scope:  # the rest is read in some sixteen minutes
                await server.receive_some(9)
            assert scope.cancelled_caught
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\xff" * 200,
        b"GET /" + b"a" * 70_000,
        b"\x13/multistream/1.0.0\n" * 9,
    ],
)
def test_bytes_that_are_no_websocket_break_it_or_end_it(garbage: bytes) -> None:
    async def main() -> None:
        async with sockets() as (near, far):
            server = WebSocketStream(far)
            await near.send_all(garbage)
            await near.send_eof()
            with trio.fail_after(10):
                try:
                    assert await server.receive_some(9) == b""
                except trio.BrokenResourceError:
                    pass

    trio.run(main)


@given(st.binary(max_size=300), st.booleans())
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_bytes_are_bytes_or_a_break(data: bytes, after_handshake: bool) -> None:
    async def main() -> None:
        async with sockets() as (near, far), trio.open_nursery() as nursery:
            server = WebSocketStream(far)

            async def attack() -> None:
                if after_handshake:
                    await rude(near)
                await near.send_all(data)
                await near.send_eof()

            nursery.start_soon(attack)
            with trio.fail_after(10):
                try:
                    while await server.receive_some(100):
                        pass
                except trio.BrokenResourceError:
                    near.socket.close()
            nursery.cancel_scope.cancel()

    trio.run(main)


async def two_hosts(nursery: trio.Nursery) -> tuple[Running, Running]:
    a = await run_host(nursery, 1, {"/echo": echo}, listen=WS)
    b = await run_host(nursery, 2, {"/echo": echo})
    b.host.speaks_websocket = True
    return a, b


def test_hosts_speak_over_it_as_over_tcp() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a, b = await two_hosts(nursery)
            assert str(a.address).split("/p2p/")[0].endswith("/ws")
            connection = await connect(b, a)
            assert connection.dialled == a.address and connection.remote[1] == a.address.port
            for near in (connection, a.watching.came[0]):
                stream = await near.open("/echo")
                await stream.write(b"x" * 200_000)
                assert await stream.read_exactly(200_000) == b"x" * 200_000
            connection.close("enough")
            await a.watching.until(lambda: bool(a.watching.went))
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_garbage_on_its_port_is_refused_and_harms_nobody() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a, b = await two_hosts(nursery)
            for garbage in (b"\xff" * 99, b"GET / HTTP/1.1\r\n\r\n"):
                raw = await trio.open_tcp_stream(a.address.host, a.address.port)
                await raw.send_all(garbage)
                await raw.aclose()
            await a.watching.until(lambda: a.watching.refusals == ["handshake"] * 2)
            await connect(b, a)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_where_it_is_not_switched_on_nobody_is_dialled_over_it() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a, b = await two_hosts(nursery)
            b.host.speaks_websocket = False
            with pytest.raises(AddressError, match="not switched on"):
                await b.host.dial(a.address, 5)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_dial_over_it_to_something_else_is_a_peers_error() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            a, b = await two_hosts(nursery)
            plain = Address("ip4", b.address.host, b.address.port, b.node_id, websocket=True)
            a.host.speaks_websocket = True
            with pytest.raises(PeerError):
                await a.host.dial(plain, 2)
            assert a.host.connections == {}
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_its_addresses_are_read_and_written() -> None:
    assert str(parse_address(WS)) == WS
