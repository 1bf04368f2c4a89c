import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from pushmesh_node import ipc
from pushmesh_node.app.gossip_process import GossipLost, GossipProcess, GossipReady, Owner
from pushmesh_node.app.gossip_streams import GossipStream, StreamLost
from support.gossip_node import PROTOCOL, QUICK, TOPIC, WAIT_S, GossipNode, a_start

pytestmark = pytest.mark.integration

FIVE_MB = os.urandom(5_000_000)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


async def read_all(stream: GossipStream) -> bytes:
    data = bytearray()
    async with asyncio.timeout(WAIT_S):
        while piece := await stream.read():
            data += piece
    return bytes(data)


async def subscribed(*nodes: GossipNode) -> None:
    """Waits until each node heard the subscriptions of all its peers: a probe that all of them got."""
    for node in nodes:
        probe = b"probe " + os.urandom(8)
        others = [other for other in nodes if other is not node]
        async with asyncio.timeout(WAIT_S):
            while not all(any(frame.data.startswith(probe) for frame in other.frames) for other in others):
                await node.publish(probe + os.urandom(4))
                await asyncio.sleep(0.05)


def payloads(node: GossipNode) -> list[bytes]:
    return [frame.data for frame in node.frames if not frame.data.startswith(b"probe")]


async def test_a_frame_crosses_a_node_that_lies_between() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b, GossipNode(a_start(3)) as c:
        await b.connect(a, c)
        await subscribed(a, b, c)
        await a.publish(b"over b")
        await c.until(lambda: b"over b" in payloads(c))
        frame = next(frame for frame in c.frames if frame.data == b"over b")
        assert (frame.node_id, frame.topic) == (b.node_id, TOPIC)
        assert [(item.verdict, item.size_bytes) for item in frame.items] == [(ipc.ACCEPT, 6)]
        assert c.node_id not in a.peers


@pytest.mark.parametrize("verdict", [(ipc.IGNORE, "too-old"), (ipc.REJECT, "malformed")])
async def test_only_an_accepted_frame_travels_on(verdict: tuple[int, str]) -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b, GossipNode(a_start(3)) as c:
        b.judge = lambda frame: verdict if frame.data == b"stop" else (ipc.ACCEPT, "ok")
        await b.connect(a, c)
        await subscribed(a, b, c)
        await a.publish(b"stop")
        await b.until(lambda: b"stop" in payloads(b))
        await a.publish(b"go")  # behind it on the same streams
        await c.until(lambda: b"go" in payloads(c))
        assert payloads(c) == [b"go"]
        name = "frames_ignored" if verdict[0] == ipc.IGNORE else "frames_rejected"
        await b.until(lambda: b.count(name, verdict[1]) == 1)


async def test_what_the_inspector_decides_never_reaches_main() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        await subscribed(a, b)
        for data in (b"R refused", b"I ignored", b"X fails", b"fine"):
            await a.publish(data)
        await b.until(lambda: payloads(b) == [b"fine"])
        await b.until(lambda: b.count("frames_rejected", "malformed") == 1)
        await b.until(lambda: b.count("frames_ignored", "throttled") == 1)
        await b.until(lambda: b.count("frames_ignored", "internal") == 1)


async def test_a_frame_without_credit_is_ignored_and_credit_lets_the_next_one_through() -> None:
    few = ipc.Settings(**{**_fields(QUICK), "frame_window_frames": 3})  # type: ignore[arg-type]  # one field is a bool
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2, few)) as b:
        await a.connect(b)
        await subscribed(a, b)
        b.gives_credit = False
        await b.process.send([ipc.Credit(0, 0)])
        held = b.count("frames_ignored", "no-credit")
        for n in range(8):
            await a.publish(b"%d" % n)
        await b.until(lambda: b.count("frames_ignored", "no-credit") > held)
        assert len(payloads(b)) == 3
        b.gives_credit = True
        await b.process.send([ipc.Credit(3, 3)])
        await a.publish(b"again")
        await b.until(lambda: b"again" in payloads(b))


def _fields(settings: ipc.Settings) -> dict[str, int]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


async def test_publishing_waits_for_credit_and_loses_nothing() -> None:
    few = ipc.Settings(**{**_fields(QUICK), "publish_window_frames": 2})  # type: ignore[arg-type]  # one field is a bool
    async with GossipNode(a_start(1, few)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        await subscribed(a, b)
        sent = [b"%d" % n for n in range(200)]
        assert await a.process.send([ipc.Publish(TOPIC, data) for data in sent])
        await b.until(lambda: len(payloads(b)) == 200)
        assert payloads(b) == sent


async def test_five_megabytes_go_both_ways_on_one_stream() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        near = a.process.open_stream(b.node_id, PROTOCOL)
        assert near is not None

        async def send(stream: GossipStream, data: bytes) -> None:
            await stream.write(data)
            stream.close_write()

        writing = asyncio.create_task(send(near, FIVE_MB))
        await b.until(lambda: bool(b.streams))
        far = b.streams[0]
        answering = asyncio.create_task(send(far, FIVE_MB[::-1]))
        there, back = await asyncio.gather(read_all(far), read_all(near))
        await asyncio.gather(writing, answering)
        assert there == FIVE_MB and back == FIVE_MB[::-1]
        assert (far.node_id, far.protocol) == (a.node_id, PROTOCOL)


async def test_a_stream_that_nobody_reads_holds_no_more_than_its_windows() -> None:
    small = ipc.Settings(**{**_fields(QUICK), "stream_window_bytes": 100_000})  # type: ignore[arg-type]  # one field is a bool
    async with GossipNode(a_start(1, small)) as a, GossipNode(a_start(2, small)) as b:
        await a.connect(b)
        near = a.process.open_stream(b.node_id, PROTOCOL)
        assert near is not None
        writing = asyncio.create_task(near.write(FIVE_MB))
        await b.until(lambda: bool(b.streams))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), 1)
        other = a.process.open_stream(b.node_id, PROTOCOL)  # it blocks no other stream
        assert other is not None
        await other.write(b"hello")
        await b.until(lambda: len(b.streams) == 2)
        assert await b.streams[1].read() == b"hello"
        assert len(await asyncio.wait_for(b.streams[0].read(), WAIT_S)) > 0
        near.reset()
        with pytest.raises(StreamLost):
            await writing


async def test_a_stream_to_a_stranger_or_of_an_unknown_protocol_is_lost() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        for node_id, protocol in ((b"s" * 32, PROTOCOL), (b.node_id, "/pushmesh/other/1")):
            stream = a.process.open_stream(node_id, protocol)
            assert stream is not None
            with pytest.raises(StreamLost):
                await asyncio.wait_for(stream.read(), WAIT_S)


async def test_streams_of_one_peer_are_bounded() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        streams = [a.process.open_stream(b.node_id, PROTOCOL) for _ in range(QUICK.max_streams_per_peer + 1)]
        last = streams[-1]
        assert last is not None
        with pytest.raises(StreamLost, match="too-many-streams"):
            await asyncio.wait_for(last.read(), WAIT_S)


async def test_a_killed_process_is_restarted_and_frames_flow_again() -> None:
    async with GossipNode(a_start(1)) as a, AsyncExitStack() as stack:
        b = await stack.enter_async_context(GossipNode(a_start(2, bootstrap=[a.address])))
        await a.until(lambda: b.node_id in a.peers)
        await subscribed(a, b)
        stream = a.process.open_stream(b.node_id, PROTOCOL)
        assert stream is not None
        first_pid = b.process.pid
        assert first_pid is not None
        os.kill(first_pid, signal.SIGKILL)
        with pytest.raises(StreamLost):
            await asyncio.wait_for(stream.read(), WAIT_S)
        await b.until(lambda: sum(isinstance(event, GossipReady) for event in b.events) == 2)
        assert [type(event) for event in b.events] == [GossipReady, GossipLost, GossipReady]
        assert b.process.pid != first_pid and not is_alive(first_pid)
        await a.until(lambda: b.node_id in a.peers)
        await b.until(lambda: a.node_id in b.peers)
        await subscribed(a, b)
        await b.publish(b"after")
        await a.until(lambda: b"after" in payloads(a))


async def test_nothing_is_sent_while_no_process_runs() -> None:
    process = GossipProcess(a_start(1), Owner(lambda m: None, lambda e: None, lambda s: None, lambda: []))
    assert await process.send([ipc.Subscribe([TOPIC])]) is False
    process.tell([ipc.Subscribe([TOPIC])])
    assert process.open_stream(b"n" * 32, PROTOCOL) is None


async def test_a_process_that_cannot_start_is_an_event_and_not_a_crash() -> None:
    events: asyncio.Queue[object] = asyncio.Queue()
    owner = Owner(lambda m: None, events.put_nowait, lambda s: None, lambda: [])
    process = GossipProcess(a_start(1), owner, command=(sys.executable, "-c", "raise SystemExit(3)"))
    await process.start()
    try:
        first, second = [await asyncio.wait_for(events.get(), WAIT_S) for _ in range(2)]
    finally:
        await process.stop()
    assert isinstance(first, GossipLost) and isinstance(second, GossipLost)
    assert "ended with 3" in first.reason and first.restart_in_ms < second.restart_in_ms


async def test_nothing_of_the_socket_lies_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with GossipNode(a_start(1)) as node:
        pid = node.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await node.until(lambda: len(node.events) == 3)  # ready, lost, ready
        assert os.listdir(tmp_path) == []


async def test_the_operators_log_level_holds_in_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    for level, expected in (("info", True), ("error", False)):
        start = msgspec.structs.replace(a_start(1), log_level=level)
        async with GossipNode(start) as a, GossipNode(msgspec.structs.replace(a_start(2), log_level="error")) as b:
            await a.connect(b)
        assert ("peer connected" in capfd.readouterr().err) is expected


async def test_stop_ends_the_process_and_says_good_bye() -> None:
    async with GossipNode(a_start(1)) as a:
        async with GossipNode(a_start(2)) as b:
            await a.connect(b)
            node_id, pid = b.node_id, b.process.pid
        assert pid is not None and not is_alive(pid)
        await a.until(lambda: node_id not in a.peers)


async def test_a_process_that_is_still_starting_is_not_asked_to_end_but_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushmesh_node.app.gossip_process.STOP_TIMEOUT_S", 10 * WAIT_S)
    owner = Owner(lambda m: None, lambda e: None, lambda s: None, lambda: [])
    process = GossipProcess(a_start(1), owner, command=(sys.executable, "-c", "import time; time.sleep(3600)"))
    await process.start()
    async with asyncio.timeout(WAIT_S):
        while process.pid is None:  # noqa: ASYNC110  # the supervisor has no event for us
            await asyncio.sleep(0.02)
        pid = process.pid
        await process.stop()
    assert not is_alive(pid)


async def test_a_process_whose_main_dies_does_not_outlive_it() -> None:
    program = (
        "import asyncio, os, sys\n"
        "from support.gossip_node import GossipNode, a_start\n"
        "async def main():\n"
        "    node = GossipNode(a_start(1))\n"
        "    await node.__aenter__()\n"
        "    print(node.process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    main = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=env)
    assert main.stdout is not None
    pid = int(await asyncio.wait_for(main.stdout.readline(), WAIT_S))
    await main.wait()
    await asyncio.to_thread(wait_until_gone, pid)


async def test_what_the_process_says_last_is_read_before_it_is_gone() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await b.connect(a)
        await b.until(lambda: bool(b.peers[a.node_id].addresses))
        await b.process.stop()
        assert [(entry.node_id, entry.addresses) for entry in b.books[-1].entries] == [(a.node_id, [a.address])]


async def test_peers_of_an_earlier_process_are_found_again_without_a_bootstrap_address() -> None:
    async with GossipNode(a_start(1)) as a:
        async with GossipNode(a_start(2)) as first:
            await first.connect(a)
            await first.process.stop()
        second = GossipNode(a_start(2), remembered=first.books[-1].entries)
        async with second:
            await second.until(lambda: a.node_id in second.peers)
