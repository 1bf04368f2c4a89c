from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import trio

from pushmesh_node.gossip.events import Subscribed
from pushmesh_node.gossip.framing import RpcSplitter, frame
from pushmesh_node.gossip.inspection import Inspection
from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.rpc import Message, Rpc, Subscription
from pushmesh_node.gossip.rpc_wire import decode, encode
from pushmesh_node.ipc import ACCEPT, Allowances, Credit, Frame, Judge, Publish, Settings, Up
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.inspecting import Inspecting
from pushmesh_node.peer.mesh import GOSSIPSUB, Mesh
from pushmesh_node.peer.muxer import Stream
from pushmesh_node.peer.negotiate import answer, propose
from pushmesh_node.peer.stats import Counters
from pushmesh_protocol.reasons import Verdict
from support.trio_hosts import Running, attacker, hosts, now_ms, open_stream, run_host

T = "/t"


class PassAll:
    """Leaves every frame to main, but those of one byte, which it decides."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        return Inspection(Verdict.IGNORE if len(data) == 1 else None, "tiny", [])

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        raise AssertionError("no table is pushed here")

    def allow(self, allowances: Allowances) -> None:
        raise AssertionError("no table is pushed here")


class Meshed:
    """A host with a mesh on it, and what the mesh sent to main."""

    def __init__(self, running: Running, settings: Settings) -> None:
        self.running = running
        self.up: list[Up] = []
        self.counters = Counters()
        self.mesh = Mesh(Router(RouterParameters(), Random(1)), settings, self.counters, self._send, now_ms)
        self.inspecting = Inspecting(PassAll(), self.mesh.inspected, lambda: 0)
        self.mesh.inspecting = self.inspecting
        running.host.handlers[GOSSIPSUB] = self.mesh.read
        running.watching.tasks.append(self._write)
        self.mesh.handle(Subscribed(frozenset({T})))

    def _send(self, message: Up) -> None:
        self.up.append(message)
        self.running.watching._stir()

    async def _write(self, connection: Connection) -> None:
        try:
            self.mesh.connected(connection)
            await self.mesh.write(connection)
        finally:
            self.mesh.disconnected(connection)

    def frames(self) -> list[Frame]:
        return [message for message in self.up if isinstance(message, Frame)]

    async def until_frames(self, n: int) -> list[Frame]:
        await self.running.watching.until(lambda: len(self.frames()) >= n)
        return self.frames()


@asynccontextmanager
async def a_mesh(settings: Settings) -> AsyncIterator[Meshed]:
    """On a host of its own, with its inspection running."""
    async with hosts({}) as (running,), trio.open_nursery() as nursery:
        meshed = Meshed(running, settings)
        nursery.start_soon(meshed.inspecting.run)
        yield meshed
        nursery.cancel_scope.cancel()


async def gossip_stream(meshed: Meshed, muxer_stream: Stream) -> Stream:
    await propose(muxer_stream, [GOSSIPSUB])
    hello = Rpc(subscriptions=(Subscription(True, T),))
    await muxer_stream.write(frame(encode(hello)))
    return muxer_stream


def message(data: bytes) -> bytes:
    return frame(encode(Rpc(messages=(Message(T, data),))))


def counted(meshed: Meshed) -> dict[tuple[str, str], int]:
    return {(name, label): n for name, label, n in meshed.counters.drain([]).counters}


def test_a_frame_goes_up_and_main_judges_it() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address) as muxer:
            stream = await gossip_stream(meshed, await open_stream(muxer))
            await stream.write(message(b"1") + message(b"first") + message(b"second"))
            first, second = await meshed.until_frames(2)
            assert (first.frame_no, first.data, first.topic) == (1, b"first", T)
            meshed.mesh.judge(Judge(second.frame_no, ACCEPT))
            meshed.mesh.judge(Judge(second.frame_no, ACCEPT))
            counts = counted(meshed)
            assert counts[("frames_accepted", "")] == 1 and counts[("frames_ignored", "tiny")] == 1
            assert counts[("judgements_dropped", "unknown-frame")] == 1

    trio.run(main)


def test_frames_beyond_the_credit_are_ignored() -> None:
    async def main() -> None:
        async with (
            a_mesh(Settings(frame_window_frames=9, frame_window_bytes=10)) as meshed,
            attacker(meshed.running.address) as muxer,
        ):
            stream = await gossip_stream(meshed, await open_stream(muxer))
            await stream.write(message(b"12345678") + message(b"no room") + message(b"ab"))
            assert [each.data for each in await meshed.until_frames(2)] == [b"12345678", b"ab"]
            assert counted(meshed)[("frames_ignored", "no-credit")] == 1
            meshed.mesh.credit(Credit(2, 10))
            await stream.write(message(b"again"))
            assert (await meshed.until_frames(3))[2].data == b"again"

    trio.run(main)


def test_a_flood_that_main_is_slow_to_judge_waits_at_the_sender_and_loses_nothing() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address) as muxer:
            stream = await gossip_stream(meshed, await open_stream(muxer))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, b"".join(message(b"%d." % n + bytes(1_000)) for n in range(1_000)))
                judged = 0
                while judged < 1_000:
                    for each in (await meshed.until_frames(judged + 1))[judged:]:
                        meshed.mesh.judge(Judge(each.frame_no, ACCEPT))
                        meshed.mesh.credit(Credit(1, len(each.data)))
                        judged += 1
                    await trio.sleep(0.01)
            assert [each.data.split(b".")[0] for each in meshed.frames()] == [b"%d" % n for n in range(1_000)]
            assert ("frames_ignored", "queue-full") not in counted(meshed)

    trio.run(main)


def test_bytes_that_are_no_rpc_end_the_connection_and_nothing_else() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address, seed=7) as good:
            a = meshed.running
            for garbage in (b"\x03\xff\xff\xff", b"\xff" * 12, frame(b"\x0a\x04\x12\x02\xff\xfe")):
                went = len(a.watching.went)
                async with attacker(a.address) as muxer:
                    stream = await gossip_stream(meshed, await open_stream(muxer))
                    await stream.write(garbage)
                    await a.watching.until(lambda went=went: len(a.watching.went) > went)  # type: ignore[misc]  # binds
                assert a.watching.went[-1].reason == "malformed-rpc"
            stream = await gossip_stream(meshed, await open_stream(good))
            await stream.write(message(b"still here"))
            await meshed.until_frames(1)

    trio.run(main)


def test_an_own_frame_reaches_a_subscriber_and_its_credit_comes_back() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address) as muxer:
            await gossip_stream(meshed, await open_stream(muxer))
            inbound = Stream(await muxer.accept_stream())  # type: ignore[arg-type]  # libp2p names the interface only
            assert await answer(inbound, [GOSSIPSUB]) == GOSSIPSUB
            splitter = RpcSplitter()
            received: list[Rpc] = []
            with trio.fail_after(10):
                while Rpc(messages=(Message(T, b"own"),)) not in received:
                    if received:  # our subscription may still be on its way
                        meshed.mesh.publish(Publish(T, b"own"))
                    received += [decode(body) for body in splitter.feed(await inbound.read())]
                    await trio.sleep(0.05)
            assert received[0] == Rpc(subscriptions=(Subscription(True, T),))
            assert set(meshed.up) == {Credit(1, 3)}

    trio.run(main)


def test_a_peer_without_gossip_is_let_go() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, trio.open_nursery() as nursery:
            stranger = await run_host(nursery, 2)
            await stranger.host.dial(meshed.running.address, 5)
            await meshed.running.watching.until(lambda: bool(meshed.running.watching.went))
            assert meshed.running.watching.went[0].reason == "no-gossip"
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_publish_credit_waits_for_the_fastest_peer() -> None:
    async def main() -> None:
        async with a_mesh(Settings(outbound_queue_rpcs=6)) as meshed, attacker(meshed.running.address) as muxer:
            a = meshed.running
            await gossip_stream(meshed, await open_stream(muxer))  # it answers no stream of ours, so it takes nothing
            await a.watching.until(lambda: bool(a.watching.came))
            await trio.sleep(0.2)
            for n in range(4):
                meshed.mesh.publish(Publish(T, b"%d." % n))
            assert meshed.up == [Credit(1, 2)]
            connection = a.watching.came[0]
            connection.close("enough")
            await a.watching.until(lambda: connection in a.watching.went)
            assert meshed.up == [Credit(1, 2), Credit(3, 6)]

    trio.run(main)
