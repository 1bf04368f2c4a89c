"""A real gossip process under garbage: it lives, keeps its memory and its honest peer, and turns offenders away."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
import trio.lowlevel

from fuzz.hostile_rpcs import HostileRpcs
from fuzz.memory import resident_bytes
from fuzz.wire_attack import GOSSIP, WireAttack, visitor
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_node.gossip.wire.rpc_wire import encode
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.negotiate import propose
from support.gossip_node import PROTOCOL, TOPIC, GossipNode, a_start
from support.trio_hosts import open_stream

pytestmark = pytest.mark.integration

OTHER_PROTOCOLS = ["/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/kad/1.0.0", PROTOCOL, "/nothing/of/the/kind"]
ATTEMPTS = 24
MAX_GROWTH_BYTES = 32 * 1024 * 1024


def an_attack(seed: int, target: Address) -> WireAttack:
    frames = [(TOPIC, b"frame %d" % number) for number in range(50)]
    rpcs = HostileRpcs(Random(seed), [TOPIC], frames, [b"R refused", b"I ignored"])
    return WireAttack(Random(seed), target, rpcs, OTHER_PROTOCOLS)


async def in_a_thread(task: Callable[[], Awaitable[None]]) -> None:
    """Trio beside this test's asyncio."""
    await asyncio.to_thread(trio.run, task)


async def reaches(sender: GossipNode, receiver: GossipNode, data: bytes) -> None:
    async with asyncio.timeout(30):
        while not any(frame.data == data for frame in receiver.frames):
            await sender.publish(data)
            await asyncio.sleep(0.05)


async def test_garbage_at_every_depth_costs_nobody_but_who_sends_it(
    seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    async with GossipNode(a_start(1)) as a, GossipNode(a_start(2)) as b:
        await b.connect(a)
        await reaches(b, a, b"before")
        pid = a.process.pid
        assert pid is not None
        attack = an_attack(seed, parse_address(a.address))
        await in_a_thread(lambda: attack.run(ATTEMPTS // 3))
        before = resident_bytes(pid)
        await in_a_thread(lambda: attack.run(ATTEMPTS))
        assert resident_bytes(pid) - before < MAX_GROWTH_BYTES
        assert a.process.pid == pid and len(a.events) == 1  # the one is that it is ready
        await reaches(b, a, b"after")
        await reaches(a, b, b"and back")
        assert b.node_id in a.peers and a.node_id in b.peers
        assert not [gone for gone in (*a.gone, *b.gone) if gone.node_id in (a.node_id, b.node_id)]
        kinds = ("on_the_bare_port", "in_the_handshake", "within_noise", "within_yamux", "on_a_gossip_stream")
        assert all(attack.done[kind] == ATTEMPTS // 3 + ATTEMPTS for kind in (*kinds, "on_another_stream"))
        await a.until(lambda: a.count("connections_refused", "handshake") > 0)
        await a.until(lambda: a.count("connections_closed", "malformed-rpc") > 0)
        await a.until(lambda: a.count("connections_closed", "violation") > 0)
        await a.until(lambda: a.count("connections_refused", "banned") > 0)
    said = capfd.readouterr().err
    assert "peer broke the protocol" in said and '"level": "error"' not in said and "Traceback" not in said


async def say(target: Address, *bodies: bytes) -> None:
    """RPCs on a gossip stream of a connection of its own; a node that hangs up meanwhile is what is looked for."""
    try:
        async with visitor(target, seed=99) as muxer:
            stream = await open_stream(muxer)
            await propose(stream, [GOSSIP[0]])
            for body in bodies:
                await stream.write(frame(body))
            await trio.sleep(0.2)
    except Exception:  # libp2p and trio say it in many ways
        await trio.lowlevel.checkpoint()


def a_message(data: bytes) -> bytes:
    return encode(Rpc(messages=(Message(TOPIC, data),)))


async def test_a_peer_that_talks_nonsense_again_and_again_is_not_let_in_any_more() -> None:
    async with GossipNode(a_start(1)) as a:
        target = parse_address(a.address)
        for times in (1, 2, 3):
            await in_a_thread(lambda: say(target, b"\xff" * 12))
            await a.until(lambda: a.count("connections_closed", "malformed-rpc") == times)  # noqa: B023  # awaited here
        await a.until(lambda: a.count("peers_banned") == 1)
        await in_a_thread(lambda: say(target, a_message(b"a good one")))
        await a.until(lambda: a.count("connections_refused", "banned") == 1)
        assert not a.frames


async def test_invalid_messages_add_up_over_connections_until_the_peer_is_graylisted_and_kept_out() -> None:
    async with GossipNode(a_start(1)) as a:
        target = parse_address(a.address)
        for connection in range(3):
            bodies = [a_message(b"R %d %d" % (connection, number)) for number in range(4)]
            await in_a_thread(lambda: say(target, *bodies))  # noqa: B023  # awaited here
        await a.until(lambda: a.count("connections_closed", "graylisted") == 1)
        # The squared count times a hundred: ten are not too many, the eleventh is, whatever was read with it.
        assert a.count("frames_rejected", "malformed") in (11, 12)
        await in_a_thread(lambda: say(target, a_message(b"a good one")))
        await a.until(lambda: a.count("connections_refused", "banned") == 1)
        assert not a.frames
