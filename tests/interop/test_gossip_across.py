"""Between our node and others: pruning, lazy gossip, IDONTWANT and peer exchange of gossipsub."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node import ipc
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import gossip_topic_of
from support.foreign import ForeignNode, together
from support.gossip_node import TOPIC, GossipNode, a_start
from support.processes import Running, a_plan, eventually, frame_of, running
from support.wallets import a_signed_note, a_wallet
from support.whole_mesh import now_ms

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
OWNER = a_wallet(1)
QUICK: dict[str, Any] = {"heartbeatInterval": 500}

Command = Callable[[str], list[str]]
both_implementations = pytest.mark.parametrize("implementation", ["js", "go"])


def a_note(seq: int) -> Envelope:
    """All under one topic, so that they share a mesh."""
    return a_signed_note(NETWORK, OWNER, now_ms(), seq)


MESH = gossip_topic_of(NETWORK, a_note(1))


@both_implementations
async def test_one_bad_frame_costs_a_place_in_the_mesh_and_not_the_connection(
    foreign: Command, tmp_path: Path, implementation: str
) -> None:
    stranger = ForeignNode(foreign(implementation), NETWORK, validate=False, **QUICK)
    plan = a_plan(tmp_path, "ours", mesh=True)
    async with stranger, running(plan) as (ours,):
        await stranger.dial(str(plan.settings["address"]))
        our_id = await id_of(ours)
        await in_mesh(stranger, our_id)

        damaged = bytearray(frame_of(a_note(1)))
        damaged[-3] ^= 1  # within the signature
        await stranger.ask("publish", topic=MESH, data=damaged.hex())
        await stranger.until(lambda: MESH in pruned_topics(stranger, our_id), "a PRUNE of ours")
        assert {prune[2] for prune in stranger.rpcs("prune", **{"from": our_id})} == {60}

        await stranger.publish(a_note(2))
        await committed(ours, 1)
        assert our_id not in await stranger.mesh(MESH)
        assert our_id in await stranger.peers()
        assert stranger.told("disconnected") == []
        assert await told(ours, "pushmesh_gossip_frames_rejected_total", 1, reason="bad-signature")
        assert await ours.metric("pushmesh_gossip_connections_closed_total") == 0
        assert ours.faults() == []


@both_implementations
async def test_what_the_mesh_missed_is_announced_and_asked_for_in_both_directions(
    foreign: Command, tmp_path: Path, implementation: str
) -> None:
    """near - ours - middle - far, where ours and middle are outside each other's mesh."""
    near, middle, far = (ForeignNode(foreign(implementation), NETWORK, topics=[MESH], **QUICK) for _ in range(3))
    plan = a_plan(tmp_path, "ours", mesh=True)
    async with together(near, middle, far), running(plan) as (ours,):
        address = str(plan.settings["address"])
        await asyncio.gather(near.dial(address), middle.dial(address), far.dial(middle.address))
        our_id = await id_of(ours)
        for stranger in (near, middle):
            await in_mesh(stranger, our_id)
        await in_mesh(far, middle.node_id)

        # Whoever leaves a topic may not graft again for ten seconds, nor be grafted.
        await middle.ask("unsubscribe", topics=[MESH])
        await middle.ask("subscribe", topics=[MESH])
        back = [[False, MESH], [True, MESH]]
        await far.until(lambda: subscriptions(far, middle)[-2:] == back, "the return of middle at far")

        async def near_alone() -> bool:
            return await ours.metric("pushmesh_gossip_mesh_peers") == 1

        await eventually(near_alone, "a mesh of near alone at ours")
        from_near, from_far = a_note(1), a_note(2)
        await near.publish(from_near)
        await far.publish(from_far)

        await middle.until(lambda: middle.got()[from_near.id] > 0, "the frame of near at middle")
        await committed(ours, 2)
        assert middle.got()[from_near.id] == 1
        assert our_id not in await middle.mesh(MESH)
        ours_to_middle = {"from": our_id}
        assert one_of(from_near) in [one for have in middle.rpcs("ihave", **ours_to_middle) for one in have[1]]
        assert one_of(from_far) in middle.rpcs("iwant", **ours_to_middle)
        await near.until(lambda: near.got()[from_far.id] > 0, "the frame of far at near")
        assert near.got()[from_far.id] == 1
        assert await ours.metric("pushmesh_gossip_promises_broken_total") == 0


def one_of(note: Envelope) -> str:
    """The message id of its frame, as RPCs are told."""
    return message_id(MESH, frame_of(note)).hex()


@pytest.mark.parametrize("dialect", ["1.1", "1.2"])
async def test_idontwant_keeps_a_frame_from_whoever_has_it(js: list[str], dialect: str) -> None:
    """Holder has the frame from source while our node still judges it, and refuses it, so that it never forwards it."""
    held: list[ipc.Frame] = []

    def judge(frame: ipc.Frame) -> tuple[int, str] | None:
        if len(frame.data) < 1_024:
            return (ipc.ACCEPT, "ok")
        held.append(frame)
        return None

    source = ForeignNode(js, NETWORK, validate=False, topics=[TOPIC], **QUICK)
    holder = ForeignNode(js, NETWORK, dialect, validate=True, topics=[TOPIC], **QUICK)
    ours = GossipNode(a_start(), judge)
    async with together(source, holder), ours:
        await asyncio.gather(source.dial(ours.address), holder.dial(ours.address), source.dial(holder.address))
        for stranger in (source, holder):
            await in_mesh(stranger, ours.node_id, TOPIC)
        await in_mesh(source, holder.node_id, TOPIC)

        large = b"no frame" * 200
        await source.ask("publish", topic=TOPIC, data=large.hex())
        await holder.until(
            lambda: holder.told("judged", message_id=message_id(TOPIC, large)) != [], "the frame at holder"
        )
        await holder.ask("tell", topic=TOPIC, data=b"behind it on the stream".hex())
        await ours.until(lambda: bool(held) and len(ours.frames) == 2)
        ours.process.tell([ipc.Judge(held[0].frame_no, ipc.ACCEPT, "ok", len(large))])
        await ours.publish(b"after the judgement")
        await holder.until(lambda: b"after the judgement".hex() in from_ours(holder, ours), "what we sent last")
        assert (large.hex() in from_ours(holder, ours)) == (dialect == "1.1")
        told_not_to_send = holder.rpcs("idontwant", **{"from": ours.node_id})
        assert told_not_to_send == ([message_id(TOPIC, large).hex()] if dialect == "1.2" else [])


def from_ours(stranger: ForeignNode, ours: GossipNode) -> list[str]:
    return [data for _, data, _ in stranger.rpcs("messages", **{"from": ours.node_id})]


@both_implementations
async def test_a_full_mesh_recommends_another_peer_which_is_understood_and_not_followed_blindly(
    foreign: Command, tmp_path: Path, implementation: str
) -> None:
    small = {"D": 2, "Dlo": 1, "Dhi": 2, "Dout": 0, "Dscore": 1, "doPX": True, **QUICK}
    full = ForeignNode(foreign(implementation), NETWORK, topics=[MESH], **small)
    members = [ForeignNode(foreign(implementation), NETWORK, topics=[MESH], **QUICK) for _ in range(2)]
    async with together(full, *members):
        for member in members:
            await member.dial(full.address)
            await in_mesh(full, member.node_id)
        async with running(a_plan(tmp_path, "ours", mesh=True, gossip__bootstrap=[full.address])) as (ours,):
            our_id = await id_of(ours)
            assert await told(ours, "pushmesh_gossip_exchange_drops_total", 2, reason="low-score")
            await full.publish(a_note(1))
            await committed(ours, 1)
            assert {bytes.fromhex(peer["node_id"]) for peer in await ours.peers()} == {full.node_id}
            assert our_id in await full.peers()
            assert await ours.metric("pushmesh_gossip_rpc_drops_total", reason="malformed") == 0


# What they share


async def id_of(node: Running) -> bytes:
    return bytes.fromhex((await node.client.status())["node_id"])


async def in_mesh(stranger: ForeignNode, peer: bytes, topic: str = MESH) -> None:
    async def grafted() -> bool:
        return peer in await stranger.mesh(topic)

    await eventually(grafted, "a graft")


def subscriptions(stranger: ForeignNode, of: ForeignNode) -> list[list[Any]]:
    return stranger.rpcs("subscriptions", **{"from": of.node_id})


def pruned_topics(stranger: ForeignNode, by: bytes) -> set[str]:
    return {prune[0] for prune in stranger.rpcs("prune", **{"from": by})}


async def committed(node: Running, count: int) -> None:
    assert await told(node, "pushmesh_envelopes_committed_total", count)


async def told(node: Running, name: str, least: float, **labels: str) -> bool:
    """True once a metric has come so far; the gossip process tells its counts every second."""

    async def has() -> bool:
        return await node.metric(name, **labels) >= least

    await eventually(has, f"{name} {labels} of {least:g}")
    return True
