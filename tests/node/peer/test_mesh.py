import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import pytest
import trio
import trio.testing
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from pushmesh_node.gossip import windows as windows_room
from pushmesh_node.gossip.effects import Dial
from pushmesh_node.gossip.events import Scored, Subscribed
from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.gossip.parameters import MeshParameters, RouterParameters, ScoreParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.windows import LEAST_BYTES, MOST_BYTES
from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS
from pushmesh_node.gossip.wire.framing import RpcSplitter, frame
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.rpc import ExchangedPeer, Graft, Message, Prune, Rpc, Subscription
from pushmesh_node.gossip.wire.rpc_wire import decode, encode
from pushmesh_node.ipc import ACCEPT, Allowances, Credit, Frame, Judge, Publish, Settings, Up
from pushmesh_node.peer import talk
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.errors import PeerError, StreamBroken
from pushmesh_node.peer.inspecting import Inspecting
from pushmesh_node.peer.mesh import Mesh
from pushmesh_node.peer.muxer import Muxer, Stream
from pushmesh_node.peer.negotiate import answer, propose
from pushmesh_node.peer.stats import Counters
from pushmesh_node.peer.talk import MAX_INBOUND_STREAMS
from pushmesh_protocol.reasons import Verdict
from support.trio_hosts import Running, attacker, hosts, now_ms, open_stream, run_host

T = "/t"
V1_2, V1_1 = "/meshsub/1.2.0", "/meshsub/1.1.0"


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

    def __init__(self, running: Running, settings: Settings, parameters: RouterParameters) -> None:
        self.running = running
        self.up: list[Up] = []
        self.counters = Counters()
        self.mesh = Mesh(Router(parameters, Random(1)), settings, self.counters, self._send, self._introduce, now_ms)
        self.inspecting = Inspecting(PassAll(), self.mesh.inspected, lambda: 0)
        self.mesh.inspecting = self.inspecting
        self.introduced: list[tuple[bytes, Dial]] = []
        for protocol in PROTOCOL_IDS:
            running.host.handlers[protocol] = self.mesh.read
        running.watching.on_connected = self.mesh.connected
        running.watching.tasks.append(self.mesh.write)
        running.watching.on_disconnected = self.mesh.disconnected
        self.mesh.handle(Subscribed(frozenset({T})))

    def _send(self, message: Up) -> None:
        self.up.append(message)
        self.running.watching._stir()

    def _introduce(self, source: Connection, dial: Dial) -> None:
        self.introduced.append((source.node_id, dial))
        self.running.watching._stir()

    async def beat(self) -> None:
        while True:
            await trio.sleep(0.2)
            self.mesh.heartbeat()

    def frames(self) -> list[Frame]:
        return [message for message in self.up if isinstance(message, Frame)]

    async def until_frames(self, n: int) -> list[Frame]:
        await self.running.watching.until(lambda: len(self.frames()) >= n)
        return self.frames()


@asynccontextmanager
async def a_mesh(settings: Settings, parameters: RouterParameters | None = None) -> AsyncIterator[Meshed]:
    """On a host of its own, with its inspection and its heart running."""
    async with hosts({}) as (running,), trio.open_nursery() as nursery:
        meshed = Meshed(running, settings, parameters or RouterParameters())
        nursery.start_soon(meshed.inspecting.run)
        nursery.start_soon(meshed.beat)
        yield meshed
        nursery.cancel_scope.cancel()


class Foreign:
    """A peer of the mesh at its muxer: it takes the gossip stream of the node under test and keeps what it is told."""

    def __init__(self, meshed: Meshed, muxer: Muxer, dialects: Sequence[str]) -> None:
        self.meshed = meshed
        self.muxer = muxer
        self.dialects = dialects
        self.taken: list[str] = []
        self.received: list[Rpc] = []
        self.reading = trio.CancelScope()

    async def take(self) -> None:
        while True:
            stream = await self.muxer.accept()
            self.taken.append(await answer(stream, self.dialects))
            with trio.CancelScope() as self.reading:
                await self._read(stream)
            await stream.reset()

    async def _read(self, stream: Stream) -> None:
        splitter = RpcSplitter()
        while data := await stream.read():
            self.received += [decode(body) for body in splitter.feed(data)]
            self.meshed.running.watching._stir()

    async def open(self, protocol: str = V1_1) -> Stream:
        """A gossip stream of its own, with a subscription."""
        stream = await open_stream(self.muxer)
        await propose(stream, [protocol])
        await stream.write(frame(encode(Rpc(subscriptions=(Subscription(True, T),)))))
        return stream

    async def until_told(self, condition: Callable[[Rpc], bool]) -> None:
        await self.meshed.running.watching.until(lambda: any(condition(rpc) for rpc in self.received))

    async def until_known(self) -> None:
        """The router speaks to it."""
        await self.until_told(lambda rpc: Subscription(True, T) in rpc.subscriptions)


@asynccontextmanager
async def a_peer(meshed: Meshed, seed: int = 99, dialects: Sequence[str] = (V1_1,)) -> AsyncIterator[Foreign]:
    async with attacker(meshed.running.address, seed) as muxer, trio.open_nursery() as nursery:
        foreign = Foreign(meshed, muxer, dialects)
        nursery.start_soon(_take, foreign)
        yield foreign
        nursery.cancel_scope.cancel()


async def _take(foreign: Foreign) -> None:
    try:
        await foreign.take()
    except (PeerError, MuxedConnUnavailable):
        return  # the connection ended


def message(data: bytes) -> bytes:
    return frame(encode(Rpc(messages=(Message(T, data),))))


def counted(meshed: Meshed) -> dict[tuple[str, str], int]:
    return {(name, label): n for name, label, n in meshed.counters.drain([]).counters}


def test_a_frame_goes_up_and_main_judges_it() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            stream = await peer.open()
            await stream.write(message(b"1") + message(b"first") + message(b"second"))
            first, second = await meshed.until_frames(2)
            assert (first.frame_no, first.data, first.topic) == (1, b"first", T)
            meshed.mesh.judge([Judge(second.frame_no, ACCEPT)])
            meshed.mesh.judge([Judge(second.frame_no, ACCEPT)])
            counts = counted(meshed)
            assert counts[("frames_accepted", "")] == 1 and counts[("frames_ignored", "tiny")] == 1
            assert counts[("judgements_dropped", "unknown-frame")] == 1

    trio.run(main)


def test_what_may_be_on_its_way_of_a_peer_follows_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_room, "STRANGERS_BYTES", 3 * LEAST_BYTES)

    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed, 98) as bad, a_peer(meshed, 99) as strange:
            for peer in (bad, strange):
                await peer.open()
                await peer.until_known()
            connections = meshed.running.host.connections.values()
            windows = dict[bytes, int]()
            for connection in connections:
                connection.bound_unread = partial(windows.__setitem__, connection.node_id)  # type: ignore[method-assign]  # listens
            (first, second) = (connection.node_id for connection in connections)
            meshed.mesh.heartbeat()
            assert windows == dict.fromkeys((first, second), 3 * LEAST_BYTES // 2)  # two strangers share
            meshed.mesh.handle(Scored(first, 5_000))
            meshed.mesh.heartbeat()
            assert windows == {first: MOST_BYTES, second: 3 * LEAST_BYTES}
            meshed.mesh.handle(Scored(first, -5_000))
            meshed.mesh.heartbeat()
            assert windows == {first: LEAST_BYTES, second: 3 * LEAST_BYTES // 2}

    trio.run(main)


def test_frames_beyond_the_credit_are_ignored() -> None:
    async def main() -> None:
        async with (
            a_mesh(Settings(frame_window_frames=9, frame_window_bytes=10)) as meshed,
            a_peer(meshed) as peer,
        ):
            stream = await peer.open()
            await stream.write(message(b"12345678") + message(b"no room") + message(b"ab"))
            assert [each.data for each in await meshed.until_frames(2)] == [b"12345678", b"ab"]
            assert counted(meshed)[("frames_ignored", "no-credit")] == 1
            meshed.mesh.credit(Credit(2, 10))
            await stream.write(message(b"again"))
            assert (await meshed.until_frames(3))[2].data == b"again"

    trio.run(main)


def test_a_flood_that_main_is_slow_to_judge_waits_at_the_sender_and_loses_nothing() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            stream = await peer.open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, b"".join(message(b"%d." % n + bytes(1_000)) for n in range(1_000)))
                judged = 0
                while judged < 1_000:
                    for each in (await meshed.until_frames(judged + 1))[judged:]:
                        meshed.mesh.judge([Judge(each.frame_no, ACCEPT)])
                        meshed.mesh.credit(Credit(1, len(each.data)))
                        judged += 1
                    await trio.sleep(0.01)
            assert sorted(int(each.data.split(b".")[0]) for each in meshed.frames()) == list(range(1_000))
            assert ("frames_ignored", "queue-full") not in counted(meshed)

    trio.run(main)


def test_a_peer_of_many_rpcs_waits_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "RPCS_PER_S", 1)

    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as eager, a_peer(meshed, seed=7) as calm:
            await (await eager.open()).write(b"".join(message(b"%d of many" % n) for n in range(100)))
            await meshed.until_frames(1)
            await (await calm.open()).write(message(b"the only one"))
            await meshed.running.watching.until(lambda: b"the only one" in [each.data for each in meshed.frames()])
            assert len(meshed.frames()) < 100

    trio.run(main)


def test_a_peer_whose_rpcs_are_of_many_fields_waits_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "RPCS_PER_S", 1)
    unknown = b"\x38\x00" * 1_000

    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as eager, a_peer(meshed, seed=7) as calm:
            await (await eager.open()).write(message(b"first") + frame(unknown) + message(b"later"))
            await meshed.until_frames(1)
            await (await calm.open()).write(message(b"the only one"))
            frames = await meshed.until_frames(2)
            assert [each.data for each in frames] == [b"first", b"the only one"]

    trio.run(main)


@pytest.mark.parametrize("garbage", [b"\x03\xff\xff\xff", b"\xff" * 12, frame(b"\x0a\x04\x12\x02\xff\xfe")])
def test_bytes_that_are_no_rpc_end_the_connection_and_nothing_else(garbage: bytes) -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed, seed=7) as good:
            a = meshed.running
            async with a_peer(meshed) as bad:
                await (await bad.open()).write(garbage)
                await a.watching.until(lambda: bool(a.watching.went))
            assert a.watching.went[0].reason == "malformed-rpc"
            await (await good.open()).write(message(b"still here"))
            await meshed.until_frames(1)

    trio.run(main)


def test_an_own_frame_reaches_a_subscriber_and_its_credit_comes_back() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            await peer.open()
            await peer.until_told(lambda rpc: Graft(T) in rpc.graft)
            meshed.mesh.publish(Publish(T, b"own"))
            await peer.until_told(lambda rpc: rpc.messages == (Message(T, b"own"),))
            assert meshed.up == [Credit(1, 3)]

    trio.run(main)


@pytest.mark.parametrize(
    ("dialects", "taken"), [((V1_1,), V1_1), ((V1_2, V1_1), V1_2), ((V1_2,), V1_2)], ids=["1.1", "both", "1.2"]
)
def test_the_newest_dialect_of_both_is_spoken(dialects: Sequence[str], taken: str) -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed, dialects=dialects) as peer:
            await peer.open(taken)
            await peer.until_known()
            assert peer.taken == [taken]
            (connection,) = meshed.running.watching.came
            assert meshed.mesh.dialect_of(connection.node_id) is PROTOCOL_IDS[taken]
            assert meshed.mesh.dialect_of(bytes(32)) is None

    trio.run(main)


def test_a_peer_without_gossip_is_let_go() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, trio.open_nursery() as nursery:
            stranger = await run_host(nursery, 2)
            await stranger.host.dial(meshed.running.address, 5)
            await meshed.running.watching.until(lambda: bool(meshed.running.watching.went))
            assert meshed.running.watching.went[0].reason == "no-gossip"
            assert ("router_peers", "", 0) in meshed.mesh.gauges()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_comes_before_the_peer_can_be_answered_waits() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address) as muxer:
            early = await open_stream(muxer)
            await propose(early, [V1_1])
            await early.write(frame(encode(Rpc(subscriptions=(Subscription(True, T),)))) + message(b"early"))
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert meshed.frames() == [] and ("router_peers", "", 0) in meshed.mesh.gauges()
            inbound = await muxer.accept()
            assert await answer(inbound, [V1_1]) == V1_1
            assert [each.data for each in await meshed.until_frames(1)] == [b"early"]

    trio.run(main)


def test_a_second_gossip_stream_takes_the_place_of_the_first() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            first = await peer.open()
            await first.write(message(b"first"))
            await meshed.until_frames(1)
            second = await peer.open()
            await second.write(message(b"second"))
            await meshed.until_frames(2)
            with pytest.raises(StreamBroken):
                while True:
                    await first.write(message(b"gone"))
                    await trio.sleep(0.01)
            assert [each.data for each in meshed.frames()] == [b"first", b"second"]
            assert counted(meshed)[("streams_refused", "replaced")] == 1

    trio.run(main)


def test_a_peer_that_opens_gossip_streams_for_ever_is_disconnected() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            with pytest.raises(PeerError):
                for _ in range(MAX_INBOUND_STREAMS + 1):
                    stream = await peer.open()
                    await stream.write(message(b"x"))
                await stream.read()
            await meshed.running.watching.until(lambda: bool(meshed.running.watching.went))
            assert meshed.running.watching.went[0].reason == "too-many-streams"

    trio.run(main)


def test_a_peer_that_resets_its_stream_is_told_everything_anew_on_another() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, a_peer(meshed) as peer:
            await peer.until_known()
            peer.received.clear()
            peer.reading.cancel()
            await (await peer.open()).write(message(b"after"))
            with trio.fail_after(20):
                while not peer.received:  # a reset shows at the next write only
                    meshed.mesh.publish(Publish(T, b"try"))
                    await trio.sleep(0.02)
            assert peer.taken == [V1_1, V1_1] and peer.received[0].subscriptions == (Subscription(True, T),)
            await meshed.until_frames(1)

    trio.run(main)


def test_publish_credit_waits_for_the_fastest_peer() -> None:
    async def main() -> None:
        async with a_mesh(Settings(outbound_queue_rpcs=6, outbound_queue_bytes=400_000)) as meshed:
            a = meshed.running
            async with attacker(a.address) as muxer:
                stream = await open_stream(muxer)
                await propose(stream, [V1_1])
                await stream.write(frame(encode(Rpc(subscriptions=(Subscription(True, T),)))))
                assert await answer(await muxer.accept(), [V1_1]) == V1_1  # from here on it reads nothing
                await a.watching.until(lambda: bool(a.watching.came))
                with trio.fail_after(20):
                    for n in itertools.count():
                        meshed.mesh.publish(Publish(T, b"%d." % n + bytes(100_000)))
                        await trio.sleep(0.01)
                        if sum(up.frames for up in meshed.up if isinstance(up, Credit)) < n - 3:
                            break  # three are owed
                owed = n + 1 - sum(up.frames for up in meshed.up if isinstance(up, Credit))
                connection = a.watching.came[0]
                connection.close("enough")
                await a.watching.until(lambda: connection in a.watching.went)
                last = meshed.up[-1]
                assert isinstance(last, Credit) and last.frames == owed

    trio.run(main)


SMALL = MeshParameters(d=1, d_low=1, d_high=1, d_out=0, d_score=0)


def test_the_signed_record_of_one_peer_is_offered_to_another_that_finds_no_room() -> None:
    async def main() -> None:
        async with a_mesh(Settings(), RouterParameters(mesh=SMALL)) as meshed, a_peer(meshed, seed=7) as first:
            a = meshed.running
            await a.watching.until(lambda: bool(a.watching.came))
            meshed.mesh.show(a.watching.came[0], b"record")  # perhaps before the router knows the peer
            await first.open()
            await first.until_told(lambda rpc: Graft(T) in rpc.graft)
            async with a_peer(meshed, seed=8) as second:
                stream = await second.open()
                await second.until_known()
                await stream.write(frame(encode(Rpc(graft=(Graft(T),)))))
                offered = ExchangedPeer(to_peer_id(a.watching.came[0].node_id), b"record")
                await second.until_told(lambda rpc: any(prune.peers == (offered,) for prune in rpc.prune))

    trio.run(main)


def test_a_recommended_peer_is_introduced_with_the_one_who_did_it() -> None:
    async def main() -> None:
        parameters = RouterParameters(score=ScoreParameters(accept_px_threshold=0.0))
        async with a_mesh(Settings(), parameters) as meshed, a_peer(meshed) as peer:
            stream = await peer.open()
            await peer.until_told(lambda rpc: Graft(T) in rpc.graft)
            offered = ExchangedPeer(to_peer_id(bytes(32)), b"record")
            await stream.write(frame(encode(Rpc(prune=(Prune(T, (offered,), 60),)))))
            await meshed.running.watching.until(lambda: bool(meshed.introduced))
            assert meshed.introduced == [(meshed.running.watching.came[0].node_id, Dial(bytes(32), b"record"))]

    trio.run(main)


def test_a_message_that_the_peer_has_meanwhile_is_not_sent() -> None:
    async def main() -> None:
        async with a_mesh(Settings()) as meshed, attacker(meshed.running.address) as muxer:
            stream = await open_stream(muxer)
            await propose(stream, [V1_2])
            await stream.write(frame(encode(Rpc(subscriptions=(Subscription(True, T),)))))
            assert await answer(await muxer.accept(), [V1_2]) == V1_2  # from here on it reads nothing
            await meshed.running.watching.until(lambda: bool(meshed.running.watching.came))
            await trio.testing.wait_all_tasks_blocked(0.05)
            frames = [b"%d." % n + bytes(100_000) for n in range(8)]  # more than its window takes
            for data in frames:
                meshed.mesh.publish(Publish(T, data))
                await trio.sleep(0.01)
            await stream.write(frame(encode(Rpc(idontwant=(message_id(T, frames[-1]),)))))
            with trio.fail_after(20):
                while not (unsent := counted(meshed).get(("rpcs_unsent", ""))):  # noqa: ASYNC110  # counters have none
                    await trio.sleep(0.02)
            assert unsent == 1

    trio.run(main)
