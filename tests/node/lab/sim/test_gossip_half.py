import pytest

from pushmesh_node.gossip.effects import Lane, SendRpc
from pushmesh_node.gossip.frames.inspection_queue import Job
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_protocol.frames import encode_frame
from pushmesh_protocol.reasons import Reason, Verdict
from support.sim_world import a_publisher, a_world, delivered, publish


def test_a_verdict_on_a_frame_of_an_earlier_life_is_dropped_and_counted() -> None:
    world = a_world(2)
    gossip = world.nodes[0].gossip
    gossip.judge(77, Verdict.ACCEPT, "", 0)
    assert gossip.counters["judgements_dropped", "unknown-frame"] == 1


def test_numbers_of_frames_go_on_where_an_earlier_life_ended() -> None:
    world = a_world(2, sync=False)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    publish(world, publisher, world.nodes[0])
    world.run_until(5)
    reader = world.nodes[1]
    given = reader.gossip.next_frame_no
    assert given > 1
    reader.stop()
    reader.start()
    assert reader.gossip.next_frame_no == given


def test_rpcs_have_their_turn_on_the_core_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(2)
    node, peer = world.nodes[0], world.nodes[1].node_id
    seen: list[int] = []
    take = node.gossip._take

    def watched(name: bytes, rpc: Rpc) -> None:
        seen.append(world.clock.now_us)
        take(name, rpc)

    monkeypatch.setattr(node.gossip, "_take", watched)
    now_us = world.clock.now_us
    for _ in range(3):
        node.gossip.receive(peer, Rpc(), 50_000)
    world.clock.run_until(now_us + 10_000)
    cost_us = world.conditions.costs.rpc_read_us + 50_000 * world.conditions.costs.byte_ns // 1_000
    assert seen[:3] == [now_us, now_us + cost_us, now_us + 2 * cost_us]


def test_without_credit_a_frame_is_ignored_and_another_copy_is_looked_at_again() -> None:
    world = a_world(2, sync=False)
    publisher, _ = a_publisher(world)
    world.run_until(3)
    reader = world.nodes[1].gossip
    reader._frames_left = 0
    publish(world, publisher, world.nodes[0])
    world.run_until(3.5)
    assert reader.counters["frames_ignored", Reason.NO_CREDIT] == 1
    reader._frames_left = 1
    world.run_until(8)
    assert delivered(world) == 1.0


def test_an_oversize_rpc_is_never_sent_nor_one_to_a_peer_that_is_gone() -> None:
    world = a_world(2)
    gossip = world.nodes[0].gossip
    peer = world.nodes[1].node_id
    gossip._do(SendRpc(peer, Rpc(messages=(Message("t", bytes(2**20)),)), Lane.DATA))
    assert gossip.counters["outbox_dropped", "oversize"] == 1
    gossip._do(SendRpc(bytes(32), Rpc()))
    assert len(world.nodes[0].gossip.ways) == 1


def test_who_sent_a_frame_before_and_after_its_reject_is_blamed() -> None:
    blamed: list[bytes] = []
    world = a_world(3, sync=False)
    gossip = world.nodes[0].gossip
    gossip._blamed = lambda peer, reason: blamed.append(peer)
    first, second = (node.node_id for node in world.nodes[1:])
    publisher, _ = a_publisher(world)
    topic, parts, _ = publisher.frame_of(2_048, world.clock.unix_ms)
    data = encode_frame(parts)
    gossip._note_copy(data, first)
    gossip._judged(Job(first, b"id", topic, data), Verdict.REJECT, "malformed", 0)
    gossip._note_copy(data, second)
    assert blamed == [first, second]
