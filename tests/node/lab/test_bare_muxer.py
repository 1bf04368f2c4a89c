from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from pushmesh_node.lab.bare_muxer import BareUpgrader
from pushmesh_node.peer.errors import StreamBroken, UpgradeError
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys, peer_id_of
from pushmesh_node.peer.muxer import Muxer
from pushmesh_node.peer.tcp import TcpConnection

NEAR, FAR = key_pair_from(b"n" * 32), key_pair_from(b"f" * 32)


@asynccontextmanager
async def raw_pair() -> AsyncIterator[tuple[TcpConnection, TcpConnection]]:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    async with listener, near, await listener.accept() as far:
        yield TcpConnection(near, outbound=True), TcpConnection(far, outbound=False)


@asynccontextmanager
async def muxers() -> AsyncIterator[tuple[Muxer, Muxer]]:
    """The dialler's and the other's, both running."""
    async with raw_pair() as (near, far), trio.open_nursery() as nursery:
        found: list[Muxer] = []

        async def be_dialled() -> None:
            found.append(await BareUpgrader(FAR).upgrade(far, None))

        nursery.start_soon(be_dialled)
        dialler = await BareUpgrader(NEAR).upgrade(near, peer_id_of(node_id_of_keys(FAR)))
        while not found:
            await trio.lowlevel.checkpoint()
        nursery.start_soon(dialler.start)
        nursery.start_soon(found[0].start)
        with trio.fail_after(10):
            yield dialler, found[0]
        nursery.cancel_scope.cancel()


def test_each_end_believes_who_the_other_says_it_is() -> None:
    async def main() -> None:
        async with muxers() as (near, far):
            assert near.peer_id == peer_id_of(node_id_of_keys(FAR))
            assert far.peer_id == peer_id_of(node_id_of_keys(NEAR))
            assert (near.violation, far.violation) == ("", "")

    trio.run(main)


def test_another_node_than_the_one_that_was_dialled_is_refused() -> None:
    async def main() -> None:
        async with raw_pair() as (near, far), trio.open_nursery() as nursery:
            nursery.start_soon(BareUpgrader(FAR).upgrade, far, None)
            with pytest.raises(UpgradeError, match="another node"):
                await BareUpgrader(NEAR).upgrade(near, peer_id_of(bytes(32)))

    trio.run(main)


def test_a_peer_that_says_nothing_is_refused() -> None:
    async def main() -> None:
        async with raw_pair() as (near, far):
            await far.close()
            with pytest.raises(UpgradeError):
                await BareUpgrader(NEAR).upgrade(near, None)

    trio.run(main)


def test_streams_of_both_ends_carry_bytes_both_ways_apart_from_each_other() -> None:
    async def main() -> None:
        async with muxers() as (near, far):
            one, other = await near.open(), await far.open()
            await one.write(b"one")
            await other.write(b"other")
            one_far, other_near = await far.accept(), await near.accept()
            assert await one_far.read_exactly(3) == b"one"
            assert await other_near.read_exactly(5) == b"other"
            await one_far.write(bytes(200_000))
            await other_near.write(b"back")
            assert await other.read() == b"back"
            assert await one.read_exactly(200_000) == bytes(200_000)

    trio.run(main)


def test_an_ended_direction_gives_the_rest_and_then_the_end() -> None:
    async def main() -> None:
        async with muxers() as (near, far):
            stream = await near.open()
            await stream.write(b"rest")
            await stream.close_write()
            accepted = await far.accept()
            assert [await accepted.read(), await accepted.read()] == [b"rest", b""]
            await accepted.write(b"still")
            assert await stream.read() == b"still"

    trio.run(main)


def test_a_reset_breaks_the_stream_of_the_other_end_alone() -> None:
    async def main() -> None:
        async with muxers() as (near, far):
            stream, kept = await near.open(), await near.open()
            await stream.write(b"x")
            await kept.write(b"y")
            accepted, accepted_kept = await far.accept(), await far.accept()
            assert await accepted.read() == b"x"
            await stream.reset()
            with pytest.raises(StreamBroken):
                await accepted.read()
            assert await accepted_kept.read() == b"y"
            await accepted.reset()
            await accepted.reset()

    trio.run(main)


def test_the_end_of_the_connection_breaks_its_streams_and_ends_waiting() -> None:
    async def main() -> None:
        async with muxers() as (near, far):
            stream = await near.open()
            await stream.write(b"x")
            accepted = await far.accept()
            assert await accepted.read() == b"x"
            await near.close()
            with pytest.raises(StreamBroken):
                await accepted.read()
            with pytest.raises(MuxedConnUnavailable):
                await far.accept()
            with pytest.raises(StreamBroken):
                await stream.write(b"y")

    trio.run(main)
