from dataclasses import replace
from random import Random

import pytest

from pushmesh_node.gossip.effects import Count, Disconnect, Inspect, Lane, SendRpc
from pushmesh_node.gossip.events import (
    PeerConnected,
    PeerDisconnected,
    RecordShown,
    Remembered,
    RpcReceived,
    Scored,
    Subscribed,
)
from pushmesh_node.gossip.parameters import RouterLimits, RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import MessageIds, message_id
from pushmesh_node.gossip.wire.rpc import Graft, Message, Prune, Rpc, Subscription
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, MESH, A, B, C, D, RouterWorld, T, U, counts, crowd, hearers, sent, sent_to


def test_a_new_peer_is_told_the_topics() -> None:
    hello = Rpc(subscriptions=(Subscription(True, T),))
    assert RouterWorld().do(PeerConnected(A)) == [SendRpc(A, hello, lane=Lane.CONTROL)]


def test_a_new_peer_is_told_nothing_where_there_is_nothing_to_tell() -> None:
    assert RouterWorld(topics=()).do(PeerConnected(A)) == []


def test_a_peer_that_connects_twice_is_told_once() -> None:
    world = RouterWorld()
    world.connect(A)
    assert world.do(PeerConnected(A)) == []


def test_one_peer_too_many_is_disconnected() -> None:
    world = RouterWorld(limits=RouterLimits(max_peers=1))
    world.connect(A)
    assert world.do(PeerConnected(B)) == [Disconnect(B, "too-many-peers")]
    assert world.router.peers() == {A}


def test_a_peer_that_left_makes_room() -> None:
    world = RouterWorld(limits=RouterLimits(max_peers=1))
    world.connect(A)
    world.do(PeerDisconnected(A))
    world.connect(B)
    assert world.router.peers() == {B}


def test_a_peer_that_an_earlier_run_graylisted_is_not_let_in() -> None:
    world = RouterWorld()
    assert world.do(Remembered(A, -20_000_000)) == []
    assert world.do(PeerConnected(A)) == [Disconnect(A, "graylisted")]


def test_a_good_past_is_no_credit() -> None:
    world = RouterWorld()
    world.do(Remembered(A, 20_000_000))
    world.connect(A)
    assert world.router.score_of(A) == 0


def test_what_a_peer_is_thought_of_can_be_shown() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.connect(B)
    world.do(Scored(B, -1_500))
    assert (world.router.meshes_with(A), world.router.meshes_with(B)) == ([T], [])
    assert world.router.parts_of(B).app == world.router.parts_of(B).total == world.router.score_of(B) == -1.5


def test_an_rpc_of_nobody_is_dropped() -> None:
    assert RouterWorld().message(A) == [Count("rpcs_dropped", "unknown-peer")]


def test_a_peer_that_is_gone_gets_nothing() -> None:
    world = RouterWorld()
    world.meshed(A, B)
    world.do(PeerDisconnected(B))
    assert hearers(world.accepted(A)) == []
    assert world.router.mesh_of(T) == {A}


# Topics


def test_peers_are_told_of_topics_that_come_and_go() -> None:
    world = RouterWorld()
    world.connect(A)
    changes = (Subscription(True, U), Subscription(False, T))
    assert world.do(Subscribed(frozenset({U}))) == [SendRpc(A, Rpc(subscriptions=changes), lane=Lane.CONTROL)]


def test_the_same_topics_again_have_no_effect() -> None:
    world = RouterWorld()
    world.connect(A)
    assert world.do(Subscribed(frozenset({T}))) == []


def test_joining_grafts_those_who_are_there_in_the_same_rpc() -> None:
    world = RouterWorld(topics=())
    world.connect(A)
    rpc = Rpc(subscriptions=(Subscription(True, T),), graft=(Graft(T),))
    assert sent(world.do(Subscribed(frozenset({T})))) == [SendRpc(A, rpc, lane=Lane.CONTROL)]


def test_leaving_prunes_the_mesh_for_a_short_time_and_recommends_nobody() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.connect(B)
    world.do(RecordShown(B, b"record"))
    effects = world.do(Subscribed(frozenset()))
    rpc = Rpc(subscriptions=(Subscription(False, T),), prune=(Prune(T, (), 10),))
    assert sent_to(effects, A) == rpc
    assert sent_to(effects, B) == Rpc(subscriptions=(Subscription(False, T),))


def test_topics_of_one_peer_are_bounded() -> None:
    world = RouterWorld(limits=RouterLimits(max_topics_per_peer=1))
    assert counts(world.connect(A, topics=(U, T))) == {("subscriptions_dropped", "too-many-topics"): 1}
    world.publish()
    assert hearers(world.publish()) == []


def test_a_peer_that_unsubscribes_is_out_of_the_mesh_and_may_come_back_at_once() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.rpc(A, subscriptions=(Subscription(False, T),))
    assert world.router.mesh_of(T) == frozenset()
    world.rpc(A, subscriptions=(Subscription(True, T),))
    assert world.graft(A) == [Count("mesh_joins", "grafted-by-peer")]


# Standing


def test_a_graylisted_peer_is_sent_away_and_refused_when_it_comes_back() -> None:
    world = RouterWorld()
    world.meshed(A)
    effects = world.reject_from(A, 11)
    assert Disconnect(A, "graylisted") in effects
    world.do(PeerDisconnected(A))
    assert world.do(PeerConnected(A)) == [Disconnect(A, "graylisted")]
    assert world.router.peers() == frozenset()


def test_a_graylisted_peer_is_not_listened_to_any_more() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.do(Scored(A, -20_000_000))
    assert world.message(A) == [Count("rpcs_dropped", "unknown-peer")]


def test_an_rpc_is_dropped_whole_when_the_score_fell_unseen() -> None:
    world = RouterWorld()
    crowded = crowd(30)
    for name in crowded:
        world.do(PeerConnected(name, host="10.0.0.1"))
    effects = world.message(crowded[0])
    assert counts(effects) == {("rpcs_dropped", "graylisted"): 1}
    assert Disconnect(crowded[0], "graylisted") in effects


def test_nothing_goes_to_a_peer_that_is_sent_away() -> None:
    world = RouterWorld()
    world.meshed(A)
    effects = world.reject_from(A, 11)
    after = effects[effects.index(Disconnect(A, "graylisted")) + 1 :]
    assert not sent_to(after, A).prune


def test_what_was_meant_for_a_peer_is_withdrawn_when_it_is_sent_away() -> None:
    world = RouterWorld(limits=RouterLimits(max_data_bytes=3))
    world.do(PeerConnected(A, outbound=True))
    effects = world.rpc(A, subscriptions=(Subscription(True, T),), messages=(Message(T, b"long"),) * 11)
    assert Disconnect(A, "graylisted") in effects and sent(effects) == []


def test_who_leaves_takes_no_place_of_its_host() -> None:
    world = RouterWorld()
    crowded = crowd(6)
    world.connect(*crowded, host="10.0.0.1")
    assert world.router.score_of(crowded[0]) == -50
    world.do(PeerDisconnected(crowded[5]))
    assert world.router.score_of(crowded[0]) == 0


def test_one_bad_forward_prunes_at_once_and_does_not_ban() -> None:
    world = RouterWorld()
    world.meshed(A, B)
    effects = world.reject_from(A)
    assert sent_to(effects, A) == Rpc(prune=(Prune(T, (), 60),))
    assert world.router.mesh_of(T) == {B} and world.router.peers() == {A, B}
    assert not any(isinstance(effect, Disconnect) for effect in effects)


def test_an_own_opinion_of_a_peer_acts_at_once() -> None:
    world = RouterWorld()
    world.meshed(A)
    assert sent_to(world.do(Scored(A, -1)), A) == Rpc(prune=(Prune(T, (), 60),))


def test_the_rest_of_an_rpc_that_graylists_its_sender_is_not_read() -> None:
    world = RouterWorld(limits=RouterLimits(max_data_bytes=3))
    world.connect(A)
    effects = world.rpc(A, messages=(Message(T, b"long"),) * 99, graft=(Graft(T),))
    assert counts(effects)["frames_rejected", "oversize"] == 11
    assert world.router.mesh_of(T) == frozenset()


# What others may know


def test_gauges_tell_what_is_held() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.connect(B)
    world.message(A)
    world.announce(B, b"x" * 20)
    world.publish(b"mine")
    assert {name: value for name, _, value in world.router.gauges()} == {
        "router_peers": 2,
        "router_mesh_peers": 1,
        "router_backoffs": 0,
        "router_pending_frames": 1,
        "router_pending_bytes": len(DATA),
        "router_seen_ids": 2,
        "router_history_bytes": 4,
        "router_wanted_ids": 1,
    }


def test_what_waits_is_known_for_each_peer() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.message(A)
    world.message(B)
    assert [world.router.pending_of(peer) for peer in (A, B, C)] == [1, 0, 0]
    world.judge(Verdict.IGNORE, "too-old")
    assert world.router.pending_of(A) == 0


@pytest.mark.parametrize(("score_milli", "most"), [(1_000, 4), (0, 4), (-1, 1)])
def test_a_peer_of_which_much_waits_is_not_read_and_one_with_a_bad_name_frame_by_frame(
    score_milli: int, most: int
) -> None:
    world = RouterWorld(limits=RouterLimits(unread_beyond_pending=4))
    world.connect(A, B)
    world.do(Scored(A, score_milli))
    waiting = 0
    while not world.router.is_full_of(A):
        world.message(A, b"%d" % waiting)
        waiting += 1
    assert waiting == most and not world.router.is_full_of(B)
    world.judge(Verdict.IGNORE, "too-old", data=b"0")
    assert not world.router.is_full_of(A)


def test_a_score_is_known_of_who_left_too() -> None:
    world = RouterWorld()
    world.connect(A)
    world.reject_from(A)
    world.do(PeerDisconnected(A))
    assert world.router.score_of(A) == -100 and world.router.score_of(B) == 0


def test_a_memory_of_ids_changes_nothing() -> None:
    router = Router(RouterParameters(), Random(1), identify=MessageIds(2))
    world = RouterWorld()
    world.router = router
    world.do(Subscribed(frozenset({T})))
    world.connect(A)
    assert world.message(A) == [Inspect(A, ID, T, DATA)]


# Events that come together


def test_of_events_that_come_together_each_peer_hears_in_one_rpc() -> None:
    apart, together = (RouterWorld() for _ in range(2))
    for world in (apart, together):
        world.meshed(A, B, C, dialect=Dialect.V1_2)
    frames = [Message(T, bytes([number]) * 2_000) for number in range(3)]
    events = [RpcReceived(A, Rpc(messages=(frame,))) for frame in frames]
    one_by_one = [effect for event in events for effect in apart.do(event)]
    at_once = together.router.handle_all(events, together.now_ms)
    assert [sum(effect.peer == B for effect in sent(effects)) for effects in (one_by_one, at_once)] == [3, 1]
    assert sent_to(one_by_one, B) == sent_to(at_once, B), "and nothing less"
    others = [[effect for effect in effects if not isinstance(effect, SendRpc)] for effects in (one_by_one, at_once)]
    assert others[0] == others[1]


# Direct peers


def test_a_direct_peer_gets_each_message_of_its_topics_beside_the_mesh() -> None:
    world = RouterWorld(direct=(A, D))
    world.connect(A)
    world.connect(D, topics=(U,))
    world.meshed(B, C)
    assert hearers(world.accepted(B)) == [C, A]
    assert hearers(world.accepted(A, b"of its own"), message_id(T, b"of its own")) == [B, C]
    assert world.router.mesh_of(T) == {B, C}


def test_a_direct_peer_gets_own_messages_without_flood_publish_too() -> None:
    world = RouterWorld(direct=(A,), mesh=replace(MESH, flood_publish=False))
    world.connect(A)
    world.meshed(B)
    assert hearers(world.publish()) == [B, A]
    outside = RouterWorld(direct=(A,), mesh=replace(MESH, flood_publish=False, d=0, d_low=0, d_out=0), topics=())
    outside.connect(A)
    assert hearers(outside.publish()) == [A]


def test_a_direct_peer_is_in_no_mesh_whoever_asks() -> None:
    world = RouterWorld(direct=(A,))
    world.connect(A, outbound=True)
    world.beat(3)
    effects = world.graft(A)
    assert sent_to(effects, A).prune == (Prune(T, (), 60),) and counts(effects) == {
        ("grafts_refused", "direct-peer"): 1
    }
    assert world.graft(A) and world.router.score_of(A) > 0  # asking again in backoff is no misdeed of its
    assert world.router.mesh_of(T) == frozenset()
    joining = RouterWorld(direct=(A,), topics=())
    joining.connect(A)
    assert sent_to(joining.do(Subscribed(frozenset({T}))), A).graft == ()


def test_a_direct_peer_is_heard_whatever_its_score_would_be() -> None:
    world = RouterWorld(direct=(A,))
    world.meshed(B)
    world.connect(A)
    assert not [effect for effect in world.reject_from(A, 11) if isinstance(effect, Disconnect)]
    assert world.router.parts_of(A).invalid < -10_000
    assert hearers(world.accepted(A)) == [B]
    world.do(PeerDisconnected(A))
    assert not [effect for effect in world.connect(A) if isinstance(effect, Disconnect)]
    assert hearers(world.accepted(B, b"more"), message_id(T, b"more")) == [A]


def test_a_direct_peer_that_left_gets_nothing() -> None:
    world = RouterWorld(direct=(A,))
    world.connect(A)
    world.meshed(B)
    world.rpc(A, subscriptions=(Subscription(False, T),))
    assert hearers(world.accepted(B)) == []
    world.rpc(A, subscriptions=(Subscription(True, T),))
    world.do(PeerDisconnected(A))
    assert hearers(world.accepted(B, b"more"), message_id(T, b"more")) == []
