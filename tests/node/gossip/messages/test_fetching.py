from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Count, Effect, Lane, SendRpc
from pushmesh_node.gossip.events import PeerDisconnected, Scored
from pushmesh_node.gossip.parameters import MeshParameters, ScoreParameters
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import IHave, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, MESH, A, B, C, RouterWorld, T, U, counts, crowd, sent, sent_to

STRICT = ScoreParameters(behaviour_threshold=0.0)


def ids(n: int) -> tuple[bytes, ...]:
    return tuple(message_id(T, b"%d" % at) for at in range(n))


def asked(effects: list[Effect]) -> dict[bytes, tuple[bytes, ...]]:
    return {effect.peer: effect.rpc.iwant for effect in sent(effects) if effect.rpc.iwant}


def test_what_is_announced_and_new_is_asked_for() -> None:
    world = RouterWorld()
    world.connect(A)
    assert world.announce(A, ID) == [Count("frames_asked", n=1), SendRpc(A, Rpc(iwant=(ID,)), Lane.CONTROL)]


def test_what_was_seen_is_not_asked_for() -> None:
    world = RouterWorld()
    world.connect(A)
    world.message(A)
    assert world.announce(A, ID) == []


def test_what_can_be_no_id_of_the_mesh_is_not_asked_for() -> None:
    world = RouterWorld()
    world.connect(A)
    assert world.announce(A, b"x" * 19, b"x" * 21, b"") == []


def test_what_is_announced_in_a_strange_topic_is_not_asked_for() -> None:
    world = RouterWorld()
    world.connect(A)
    assert world.announce(A, ID, topic=U) == [Count("ihaves_dropped", "unknown-topic")]


def test_the_order_of_asking_is_random() -> None:
    orders = set()
    for seed in range(5):
        world = RouterWorld(seed=seed)
        world.connect(A)
        (order,) = asked(world.announce(A, *ids(10))).values()
        assert set(order) == set(ids(10))
        orders.add(order)
    assert len(orders) == 5


@pytest.mark.parametrize(("score_milli", "at_once", "at_heartbeat"), [(0, 1, 0), (-1, 0, 1), (-100_001, 0, 0)])
def test_whoever_is_in_debt_is_asked_later_and_whoever_is_in_deep_debt_never(
    score_milli: int, at_once: int, at_heartbeat: int
) -> None:
    world = RouterWorld()
    world.connect(A)
    world.do(Scored(A, score_milli))
    effects = world.announce(A, ID)
    assert len(asked(effects)) == at_once
    assert (counts(effects).get(("ihaves_dropped", "low-score")) == 1) is (at_once + at_heartbeat == 0)
    assert len(asked(world.beat())) == at_heartbeat


def test_announcements_of_one_peer_are_bounded_until_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, ihaves_per_heartbeat=2))
    world.connect(A)
    one, two, three = ids(3)
    assert [len(asked(world.announce(A, each))) for each in (one, two, three)] == [1, 1, 0]
    assert counts(world.announce(A, three)) == {("ihaves_dropped", "too-many"): 1}
    world.beat()
    assert len(asked(world.announce(A, three))) == 1


def test_many_topics_in_one_rpc_are_one_announcement() -> None:
    topics = tuple(f"/{n}" for n in range(12))
    world = RouterWorld(topics=topics, mesh=replace(MESH, ihaves_per_heartbeat=1))
    world.connect(A, topics=topics)
    haves = tuple(IHave(topic, (message_id(topic, DATA),)) for topic in topics)
    assert len(asked(world.rpc(A, ihave=haves))[A]) == 12


def test_ids_of_one_peer_are_bounded_until_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, ihave_ids_per_heartbeat=3))
    world.connect(A)
    effects = world.announce(A, *ids(5))
    assert len(asked(effects)[A]) == 3 and counts(effects)["ihaves_dropped", "too-many"] == 1
    assert asked(world.announce(A, *ids(9)[5:])) == {}
    world.beat()
    assert len(asked(world.announce(A, *ids(9)[6:]))[A]) == 3


def test_as_many_ids_as_one_peer_may_announce_are_not_too_many() -> None:
    world = RouterWorld(mesh=replace(MESH, ihave_ids_per_heartbeat=3))
    world.connect(A)
    assert ("ihaves_dropped", "too-many") not in counts(world.announce(A, *ids(3)))


def test_few_are_asked_of_a_peer_at_a_time_and_more_as_they_come() -> None:
    world = RouterWorld(mesh=replace(MESH, asked_at_once=4))
    world.connect(A)
    first = asked(world.announce(A, *ids(10)))[A]
    assert len(first) == 4
    bodies = {message_id(T, b"%d" % at): b"%d" % at for at in range(10)}
    assert asked(world.message(A, bodies[first[0]])) == {}
    assert len(asked(world.message(A, bodies[first[1]]))[A]) == 2


def test_an_honest_peer_is_never_asked_for_more_bytes_than_it_may_answer() -> None:
    p = MeshParameters()
    full_frame_bytes = 64 * 1024
    assert p.asked_at_once * full_frame_bytes <= p.iwant_bytes_per_heartbeat * p.iwant_followup_ms // p.heartbeat_ms


# Promises


def test_a_broken_promise_is_charged_and_the_next_one_asked() -> None:
    world = RouterWorld(score=STRICT)
    world.connect(A, B)
    world.announce(A, ID)
    assert world.announce(B, ID) == []
    assert asked(world.beat(2)) == {}
    effects = world.beat()
    assert asked(effects) == {B: (ID,)} and counts(effects)["promises_broken", ""] == 1
    assert world.router.score_of(A) == -10 and world.router.score_of(B) >= 0


def test_a_kept_promise_costs_nothing() -> None:
    world = RouterWorld(score=STRICT)
    world.connect(A)
    world.announce(A, ID)
    world.message(A)
    world.beat(5)
    assert world.router.score_of(A) >= 0


def test_a_promise_that_another_kept_costs_nothing() -> None:
    world = RouterWorld(score=STRICT)
    world.connect(A, B)
    world.announce(A, ID)
    world.message(B)
    world.beat(5)
    assert world.router.score_of(A) >= 0


def test_a_promise_is_kept_by_a_message_of_whatever_worth() -> None:
    world = RouterWorld(score=STRICT)
    world.connect(A)
    world.announce(A, ID)
    world.message(A)
    world.judge(Verdict.IGNORE, "throttled")
    world.beat(5)
    assert world.router.score_of(A) >= 0


def test_who_left_owes_nothing() -> None:
    world = RouterWorld(score=STRICT)
    world.connect(A, B)
    world.announce(A, ID)
    world.announce(B, ID)
    world.do(PeerDisconnected(A))
    assert asked(world.beat()) == {B: (ID,)}
    world.beat(2)
    assert world.router.score_of(A) >= 0


def test_who_fell_below_the_gossip_threshold_is_not_asked_next() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.announce(A, ID)
    world.announce(B, ID)
    world.do(Scored(B, -100_001))
    assert asked(world.beat(4)) == {}


def test_liars_are_out_of_the_mesh_and_soon_unheard() -> None:
    world = RouterWorld(score=STRICT)
    world.meshed(A)
    for at in range(4):
        world.announce(A, message_id(T, b"lie %d" % at))
    effects = world.beat(3)
    assert world.router.mesh_of(T) == frozenset() and sent_to(effects, A).prune != ()
    assert counts(world.announce(A, ID)) == {("ihaves_dropped", "low-score"): 1}


def test_who_broke_a_promise_is_doubted_for_a_minute() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.do(Scored(A, 5_000))
    world.announce(A, ID)
    world.beat(3)
    later, latest = ids(2)
    assert asked(world.announce(A, later)) == {}
    world.announce(B, latest)
    assert asked(world.announce(A, latest)) == {}
    assert asked(world.beat()) == {A: (later,)}
    for at in range(2):
        world.message(A, b"%d" % at)
    world.beat(59)
    assert asked(world.announce(A, message_id(T, b"new"))) == {A: (message_id(T, b"new"),)}


def test_many_liars_delay_a_message_by_few_follow_ups() -> None:
    world = RouterWorld()
    liars = crowd(40)
    world.connect(*liars, C)
    world.do(Scored(C, 500))  # it delivered a little before
    for name in liars:
        world.announce(name, ID)
    world.announce(C, ID)
    when = next(n for n in range(1, 20) if C in asked(world.beat()))
    assert when == 3


def test_liars_do_not_delay_what_somebody_who_earned_trust_announces() -> None:
    world = RouterWorld()
    liars = crowd(40)
    world.connect(*liars, B, C)
    for name in (B, C):
        world.do(Scored(name, 1_000))
    for name in liars:
        world.announce(name, ID)
    assert asked(world.announce(B, ID)) == {B: (ID,)}
    assert asked(world.announce(C, ID)) == {}


def test_the_best_of_many_announcers_is_asked_next() -> None:
    world = RouterWorld()
    names = crowd(6)
    world.connect(*names)
    for at, name in enumerate(names):
        world.do(Scored(name, at))
        world.announce(name, ID)
    assert list(asked(world.beat(3))) == [names[5], names[4]]
