from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Count
from pushmesh_node.gossip.events import Scored
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_node.gossip.wire.message_id import message_id
from support.router_world import ID, MESH, A, B, C, D, RouterWorld, T, U, crowd, hearers, sent


def test_an_own_message_goes_to_all_of_the_topic_the_mesh_first() -> None:
    world = RouterWorld()
    world.connect(B, C)
    world.meshed(A)
    world.connect(D, topics=(U,))
    effects = world.publish()
    assert hearers(effects) == [A, B, C] and effects[-1] == Count("frames_published")
    assert {effect.message_id for effect in sent(effects)} == {ID}
    assert world.message(B) == [Count("frames_ignored", "duplicate")]


def test_an_own_message_may_be_asked_for() -> None:
    world = RouterWorld()
    world.publish()
    world.connect(A)
    assert hearers(world.rpc(A, iwant=(ID,))) == [A]


@pytest.mark.parametrize(("score_milli", "expected"), [(-1_000_000, [A]), (-1_000_001, [])])
def test_who_is_below_the_publish_threshold_gets_no_own_message(score_milli: int, expected: list[bytes]) -> None:
    world = RouterWorld()
    world.connect(A)
    world.do(Scored(A, score_milli))
    assert hearers(world.publish()) == expected


def test_without_flood_publish_an_own_message_goes_to_the_mesh() -> None:
    world = RouterWorld(mesh=replace(MESH, flood_publish=False))
    world.connect(*crowd(5))
    world.meshed(A)
    assert hearers(world.publish()) == [A]


def test_without_flood_publish_and_part_in_the_topic_it_goes_to_d_peers() -> None:
    world = RouterWorld(topics=(), mesh=replace(MESH, flood_publish=False))
    world.connect(*crowd(20))
    first, second = hearers(world.publish()), hearers(world.publish(b"2"), message_id(T, b"2"))
    assert len(first) == 6 and sorted(first) == sorted(second)


def test_a_peer_of_the_fanout_that_lost_trust_is_replaced_at_the_heartbeat() -> None:
    world = RouterWorld(topics=(), mesh=replace(MESH, flood_publish=False))
    world.connect(*crowd(7))
    bad = hearers(world.publish())[0]
    world.do(Scored(bad, -1_000_001))
    world.beat()
    assert bad not in hearers(world.publish(b"2"), message_id(T, b"2"))


def test_an_own_message_that_nobody_wants_is_counted() -> None:
    assert RouterWorld().publish() == [Count("frames_published", "no-peer")]


def test_an_own_message_over_the_limit_is_counted_and_not_sent() -> None:
    world = RouterWorld(limits=RouterLimits(max_data_bytes=3))
    world.meshed(A)
    assert world.publish() == [Count("publishes_dropped", "oversize")]
