"""The whole process against what peers and operators can do to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import msgspec
import pytest
import trio

from pushmesh_node import ipc
from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.ipc_wire import encode
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.negotiate import propose
from support.gossip_node import CHILD, QUICK, GossipNode, a_start
from support.trio_hosts import attacker, open_raw, open_stream, take_gossip

pytestmark = pytest.mark.integration


async def attack(address: Address) -> None:
    """Every packet that is known to end a process built on the library's own host (D1 to D6), and more."""
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 9_000, b"\x13/multistream/1.0.0\n\x03\xff\xfe\n", b""):
        raw = await open_raw(address)
        await raw.write(garbage)
        raw.abort()
    raw = await open_raw(address)
    with pytest.raises(PeerError):
        await propose(raw, ["/plaintext/2.0.0"])
    raw.abort()
    payloads = (b"\x03\xff\xff\xff", b"\xff" * 12, frame(b"\x12\x04\x22\x02\xff\xfe"), b"\x81\x80\x80\x01")
    for seed, payload in enumerate(payloads, 50):
        async with attacker(address, seed) as muxer:
            await take_gossip(muxer)
            stream = await open_stream(muxer)
            await propose(stream, PROTOCOL_IDS)
            await stream.write(payload)
            await trio.sleep(0.2)
    async with attacker(address) as muxer:
        stream = await open_stream(muxer)
        await stream.write(b"\x13/multistream/1.0.0\n\x03\xff\xfe\n")
        for protocol in ("/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/pushmesh/test/1", "/nothing"):
            stream = await open_stream(muxer)
            try:
                await propose(stream, [protocol])
                await stream.write(b"\xff" * 100)
                await stream.reset()
            except PeerError:
                pass
        await trio.sleep(0.05)


def in_thread(attacked: str) -> None:
    trio.run(attack, parse_address(attacked))


async def test_the_process_survives_every_known_attack_and_serves_its_peers() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        pid = a.process.pid
        await asyncio.to_thread(in_thread, a.address)
        async with asyncio.timeout(30):
            while not any(each.data == b"still here" for each in a.frames):
                await b.publish(b"still here")
                await asyncio.sleep(0.05)
        assert a.process.pid == pid and len(a.events) == 1
        await a.until(lambda: a.count("connections_closed", "malformed-rpc") >= 3)
        await a.until(lambda: a.count("connections_refused", "handshake") >= 4)


async def test_that_it_is_ready_is_left_to_main_to_say(capfd: pytest.CaptureFixture[str]) -> None:
    async with GossipNode(a_start(1)) as a:
        await a.process.send([ipc.Dial("nonsense")])
    said = capfd.readouterr().err
    assert "address not usable" in said and "ready" not in said


async def test_a_banned_peer_is_disconnected_and_may_come_back_after_it() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await b.connect(a)
        await a.process.send([ipc.Ban(b.node_id, 3_600)])
        await a.until(lambda: b.node_id not in a.peers)
        assert a.gone[-1].reason == "banned"
        await a.until(lambda: a.count("connections_refused", "banned") >= 1)
        await a.process.send([ipc.Ban(b.node_id, 0)])
        await a.until(lambda: b.node_id in a.peers)


async def test_main_learns_where_a_peer_can_be_dialled() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await b.connect(a)
        await a.until(lambda: a.peers[b.node_id].addresses == [b.address])
        await b.until(lambda: b.peers[a.node_id].addresses == [a.address])


async def test_a_frozen_peer_is_noticed_and_taken_back_when_it_thaws() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await a.connect(b)
        pid = b.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await a.until(lambda: b.node_id not in a.peers)
            assert a.gone[-1].reason == "ping"
        finally:
            os.kill(pid, signal.SIGCONT)
        await a.until(lambda: b.node_id in a.peers)


async def heard_of(node: GossipNode, sender: GossipNode, data: bytes) -> None:
    """Publishes until the other end has it; the first tries may come before the subscriptions."""
    async with asyncio.timeout(30):
        while not any(each.data == data for each in node.frames):
            await sender.publish(data)
            await asyncio.sleep(0.1)


async def test_a_peer_that_comes_back_while_its_old_connection_looks_alive_is_heard_at_once() -> None:
    quiet = msgspec.structs.replace(QUICK, ping_interval_ms=600_000)  # the old connection is not missed by itself
    async with GossipNode(a_start(1, quiet)) as a, GossipNode(a_start(2, quiet)) as b:
        await b.connect(a)
        await heard_of(a, b, b"before")
        pid = b.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            async with GossipNode(a_start(2, quiet)) as again:
                await again.connect(a)
                await heard_of(a, again, b"after")
                await heard_of(again, a, b"back")
                assert [peer.reason for peer in a.gone] == ["replaced"]
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_what_a_peer_publishes_after_its_restart_is_never_taken_for_what_it_published_before() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2, bootstrap=[a.address])) as b:
        await heard_of(a, b, b"first")
        for n in range(20):
            await b.publish(b"before %d" % n)
        await a.until(lambda: sum(each.data.startswith(b"before") for each in a.frames) == 20)
        pid = b.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await b.until(lambda: len(b.events) == 3)  # ready, lost, ready
        await heard_of(a, b, b"second")
        for n in range(20):
            await b.publish(b"after %d" % n)
        await a.until(lambda: sum(each.data.startswith(b"after") for each in a.frames) == 20)
        assert len({each.data for each in a.frames}) == len(a.frames)


async def test_nodes_mesh_over_websocket_where_it_is_named() -> None:
    listen = msgspec.structs.replace(a_start(1), listen=["/ip4/127.0.0.1/tcp/0/ws"])
    async with GossipNode(listen) as a, GossipNode(a_start(2, bootstrap=[a.address])) as b:
        await b.until(lambda: a.node_id in b.peers)
        assert "/ws/p2p/" in a.address and b.peers[a.node_id].addresses[0] == a.address
        await heard_of(a, b, b"there")
        await heard_of(b, a, b"and back")


async def test_a_goodbye_is_heard_at_once() -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await b.connect(a)
        await b.process.stop()
        await a.until(lambda: b.node_id not in a.peers)
        assert a.gone[-1].reason == "lost"


def run_child(*arguments: str, door: socket.socket | None = None) -> subprocess.CompletedProcess[str]:
    """To its end. `door` is handed down and named as the last argument."""
    doors = () if door is None else (door.fileno(),)
    command = [*CHILD, *arguments, *map(str, doors)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, pass_fds=doors)


@pytest.mark.parametrize("arguments", [(), ("1", "2"), ("gossip.sock",), ("-1",)])
def test_an_operator_gets_the_usage_and_a_code(arguments: tuple[str, ...]) -> None:
    usage = run_child(*arguments)
    assert usage.returncode == 2 and "usage" in usage.stderr


@pytest.mark.parametrize("descriptor", ["999", "9" * 30])
def test_a_descriptor_that_is_none_is_a_sentence(descriptor: str) -> None:
    lost = run_child(descriptor)
    assert lost.returncode == 1 and "cannot reach the main process" in lost.stderr


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        (encode([ipc.Stop()]), "no Start of this version"),
        (b"\xff" * 8, "did not speak the protocol"),
        (encode([a_start(1, bootstrap=["/ip4/127.0.0.1/tcp/1"])]), "must end in /p2p/ID"),
    ],
)
def test_a_main_that_starts_it_wrongly_is_told_why(first: bytes, sentence: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(first)
        done = run_child(door=theirs)
    assert done.returncode == 1 and sentence in done.stderr


def test_the_real_process_has_an_entry_point() -> None:
    command = [sys.executable, "-m", "pushmesh_node.peer"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "usage" in done.stderr
