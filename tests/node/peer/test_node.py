import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.gossip.scores.scoring import DIRECT_SCORE
from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.ipc import (
    Allowances,
    Ban,
    Book,
    BookEntry,
    Dial,
    IpcError,
    Peer,
    Ready,
    Remember,
    Stats,
    Stop,
    Up,
)
from pushmesh_node.ipc_wire import up_decoder
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.bans import PEER_FAULTS
from pushmesh_node.peer.errors import AddressError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identify import ask_identity
from pushmesh_node.peer.main_link import MainLink
from pushmesh_node.peer.negotiate import propose
from pushmesh_node.peer.node import Node
from pushmesh_node.peer.records import open_record
from support.gossip_node import PROTOCOL, a_start
from support.trio_hosts import attacker, open_stream, run_host, take_gossip


class NoFrames:
    """No frame comes in these tests."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        raise AssertionError

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        raise AssertionError

    def allow(self, allowances: Allowances) -> None:
        raise AssertionError


class Told:
    """What the node told main, as main reads it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._decoder = up_decoder()
        self.messages: list[Up] = []

    async def until(self, wanted: type[Up], **fields: object) -> Up:
        """The next message of that type with those fields."""
        with trio.fail_after(20):
            while True:
                for at, message in enumerate(self.messages):
                    if isinstance(message, wanted) and all(getattr(message, k) == v for k, v in fields.items()):
                        del self.messages[: at + 1]
                        return message
                self.messages += self._decoder.feed(await self._stream.receive_some(99_999))


@asynccontextmanager
async def a_node(
    announce: Sequence[str] = (), direct: Sequence[str] = ()
) -> AsyncIterator[tuple[Node, Ready, Told, trio.Nursery]]:
    near, far = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
    async with near, far, trio.open_nursery() as nursery:
        link = MainLink(near)
        start = a_start(1)
        start = msgspec.structs.replace(start, announce=list(announce), direct=list(direct))
        node = Node(start, NoFrames(), link, nursery, lambda: 1_700_000_000_000)
        ready = await node.listen()
        nursery.start_soon(link.run_writer)
        yield node, ready, Told(far), nursery
        await node.shutdown()
        nursery.cancel_scope.cancel()


def test_a_dialled_peer_is_connected_told_and_known() -> None:
    async def main() -> None:
        async with a_node() as (node, _, up, nursery):
            other = await run_host(nursery, 2)
            node.take(Dial(str(other.address)))
            peer = await up.until(Peer, node_id=other.node_id, connected=True)
            assert isinstance(peer, Peer) and peer.addresses == [str(other.address)]
            node.take(Ban(other.node_id, 60))
            gone = await up.until(Peer, node_id=other.node_id, connected=False)
            assert isinstance(gone, Peer) and gone.reason == "banned"

    trio.run(main)


def test_a_direct_peer_is_dialled_and_stands_above_every_score() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            other = await run_host(nursery, 2)
            async with a_node(direct=[str(other.address)]) as (node, _, up, _):
                await up.until(Peer, node_id=other.node_id, connected=True)
                assert node._router.score_of(other.node_id) == DIRECT_SCORE
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_a_peer_is_told_of_this_node() -> None:
    async def main() -> None:
        async with a_node() as (_node, ready, _, nursery):
            other = await run_host(nursery, 2)
            connection = await other.host.dial(parse_address(ready.addresses[0]), 5)
            identity = await ask_identity(connection)
            listening = parse_address(ready.addresses[0])
            assert identity.addresses == (Address("ip4", "127.0.0.1", listening.port),)
            assert identity.protocols == {*PROTOCOL_IDS, "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", PROTOCOL}
            assert open_record(identity.record).addresses == (listening,)

    trio.run(main)


def test_announced_addresses_hide_the_listening_ones() -> None:
    async def main() -> None:
        async with a_node(["/dns4/node.example/tcp/4001"]) as (_node, ready, _, nursery):
            other = await run_host(nursery, 2)
            identity = await ask_identity(await other.host.dial(parse_address(ready.addresses[0]), 5))
            assert [str(address) for address in identity.addresses] == ["/dns4/node.example/tcp/4001"]

    trio.run(main)


def test_a_lost_peer_is_dialled_again() -> None:
    async def main() -> None:
        async with a_node() as (node, _, up, nursery):
            other = await run_host(nursery, 2)
            node.take(Dial(str(other.address)))
            await up.until(Peer, connected=True)
            await other.watching.until(lambda: bool(other.watching.came))
            other.watching.came[0].close("enough")
            await up.until(Peer, connected=False)
            await up.until(Peer, node_id=other.node_id, connected=True)

    trio.run(main)


def test_a_peer_that_sends_garbage_again_and_again_is_banned_and_main_hears_of_it() -> None:
    async def main() -> None:
        async with a_node() as (_node, ready, up, _):
            address = parse_address(ready.addresses[0])
            for _ in range(PEER_FAULTS):
                async with attacker(address) as muxer:
                    stream = await open_stream(muxer)
                    await propose(stream, PROTOCOL_IDS)
                    await take_gossip(muxer)
                    await stream.write(frame(b"\x0a\x04\x12\x02\xff\xfe"))
                    gone = await up.until(Peer, connected=False, reason="malformed-rpc")
            assert isinstance(gone, Peer)
            told = await up.until(Book)
            assert isinstance(told, Book)
            assert [(entry.node_id, entry.bans) for entry in told.entries] == [(gone.node_id, 1)]
            async with attacker(address) as muxer:
                with pytest.raises(MuxedConnUnavailable):
                    await muxer.accept()
            refused = False
            while not refused:
                stats = await up.until(Stats)
                assert isinstance(stats, Stats)
                refused = ("connections_refused", "banned", 1) in stats.counters

    trio.run(main)


def test_peers_of_an_earlier_life_are_dialled() -> None:
    async def main() -> None:
        async with a_node() as (node, _, up, nursery):
            other = await run_host(nursery, 2)
            node.take(Remember([BookEntry(other.node_id, [str(other.address)], 1, 0, True, 0, 0)]))
            await up.until(Peer, node_id=other.node_id, connected=True)

    trio.run(main)


def test_a_stopping_node_tells_whom_it_knew() -> None:
    async def main() -> None:
        async with a_node() as (node, _, up, nursery):
            other = await run_host(nursery, 2)
            node.take(Dial(str(other.address)))
            await up.until(Peer, node_id=other.node_id, connected=True)
            await node.shutdown()
            told = await up.until(Book)
            assert isinstance(told, Book)
            entry = told.entries[0]
            assert (entry.node_id, entry.addresses, entry.proven) == (other.node_id, [str(other.address)], True)

    trio.run(main)


def test_an_address_that_cannot_be_dialled_is_no_harm() -> None:
    async def main() -> None:
        async with a_node() as (node, ready, up, _):
            node.take(Dial("nonsense"))
            node.take(Dial(ready.addresses[0].split("/p2p/")[0]))
            node.take(Dial(ready.addresses[0]))  # its own
            stats = await up.until(Stats)
            assert isinstance(stats, Stats) and ("peers", "", 0) in stats.gauges

    trio.run(main)


def test_orders_that_have_no_place_are_main_breaking_the_protocol() -> None:
    async def main() -> None:
        async with a_node() as (node, _, _, _):
            with pytest.raises(IpcError):
                node.take(a_start(1))
            assert not node.stopping.is_set()
            node.take(Stop())
            assert node.stopping.is_set()

    trio.run(main)


def test_malformed_addresses_of_the_operator_are_refused_by_name() -> None:
    async def main() -> None:
        async with a_node(["here"]):
            raise AssertionError

    with pytest.RaisesGroup(pytest.RaisesExc(AddressError, match="here")):
        trio.run(main)
