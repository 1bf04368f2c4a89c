import pytest
import trio

from pushmesh_node.peer.connection import MAX_INBOUND_STREAMS, Connection
from pushmesh_node.peer.errors import Misconduct, NegotiationError, StreamBroken
from pushmesh_node.peer.muxer import Stream
from support.trio_hosts import Running, attacker, connect, echo, hosts, open_stream


async def still_works(near: Running, far: Running) -> None:
    """A new stream on the connection that stands."""
    stream = await near.host.connections[far.node_id].open("/echo")
    await stream.write(b"hello")
    assert await stream.read_exactly(5) == b"hello"


def test_a_protocol_that_the_peer_lacks_is_an_error_and_no_more() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            connection = await connect(b, a)
            with pytest.raises(NegotiationError):
                await connection.open("/other")
            await still_works(b, a)

    trio.run(main)


def test_an_exception_in_a_handler_costs_its_stream_only() -> None:
    async def fail(connection: Connection, protocol: str, stream: Stream) -> None:
        raise RuntimeError("a handler that fails")

    async def main() -> None:
        async with hosts({"/echo": echo, "/fail": fail}, {}) as (a, b):
            stream = await (await connect(b, a)).open("/fail")
            with pytest.raises(StreamBroken):
                await stream.read()
            await still_works(b, a)
            assert a.watching.went == []

    trio.run(main)


def test_a_token_that_is_not_utf8_costs_its_stream_only() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            await connect(b, a)
            async with attacker(a.address) as muxer:
                stream = await open_stream(muxer)
                await stream.write(b"\x13/multistream/1.0.0\n\x03\xff\xfe\n")
                with pytest.raises(StreamBroken):
                    while await stream.read():
                        pass
            await still_works(b, a)
            assert a.watching.offences == ["negotiation"]

    trio.run(main)


def test_misconduct_on_a_stream_is_told_and_costs_the_stream_only() -> None:
    async def refuse(connection: Connection, protocol: str, stream: Stream) -> None:
        raise Misconduct("nonsense")

    async def main() -> None:
        async with hosts({"/echo": echo, "/refuse": refuse}, {}) as (a, b):
            stream = await (await connect(b, a)).open("/refuse")
            with pytest.raises(StreamBroken):
                await stream.read()
            await still_works(b, a)
            assert a.watching.offences == ["malformed"] and b.watching.offences == []

    trio.run(main)


def test_a_peer_with_too_many_streams_is_disconnected() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            await connect(b, a)
            async with attacker(a.address) as muxer:
                for _ in range(MAX_INBOUND_STREAMS + 1):
                    await open_stream(muxer)
                await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "too-many-streams"
            await still_works(b, a)

    trio.run(main)


def test_a_closed_connection_breaks_what_is_open_and_keeps_its_first_reason() -> None:
    async def main() -> None:
        async with hosts({"/echo": echo}, {}) as (a, b):
            connection = await connect(b, a)
            stream = await connection.open("/echo")
            connection.close("first")
            connection.close("second")
            with pytest.raises(StreamBroken):
                while await stream.read():
                    pass
            await b.watching.until(lambda: connection in b.watching.went)
            await a.watching.until(lambda: bool(a.watching.went))
            assert (connection.reason, connection.is_closing, a.watching.went[0].reason) == ("first", True, "lost")
            with pytest.raises(StreamBroken):
                await connection.open("/echo")

    trio.run(main)
