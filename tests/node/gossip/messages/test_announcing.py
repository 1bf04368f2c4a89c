from collections import Counter
from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Effect, Lane, SendRpc
from pushmesh_node.gossip.events import Scored, Subscribed
from pushmesh_node.gossip.parameters import MeshParameters, RouterLimits, ScoreParameters
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, MESH, A, B, C, RouterWorld, T, U, counts, crowd, hearers, sent, sent_to


def told(effects: list[Effect]) -> dict[bytes, tuple[bytes, ...]]:
    """The announced ids by the peer who is told."""
    found: dict[bytes, tuple[bytes, ...]] = {}
    for effect in sent(effects):
        for have in effect.rpc.ihave:
            found[effect.peer] = found.get(effect.peer, ()) + have.message_ids
    return found


def carrying(data: bytes = DATA, topic: str = T) -> Rpc:
    return Rpc(messages=(Message(topic, data),))


def beside_a_mesh(n: int, mesh: MeshParameters | None = None) -> RouterWorld:
    """Four members, and a crowd outside."""
    world = RouterWorld(mesh=mesh)
    world.meshed(*crowd(100)[-4:])
    world.connect(*crowd(n))
    world.beat(3)  # since when these members are members
    return world


# IHAVE


def test_those_outside_the_mesh_are_told_what_is_new_and_members_are_not() -> None:
    world = beside_a_mesh(3)
    world.publish()
    assert told(world.beat()) == {name: (ID,) for name in crowd(3)}


def test_accepted_messages_of_others_are_told_too() -> None:
    world = beside_a_mesh(1)
    world.accepted(crowd(100)[-1])
    assert told(world.beat()) == {crowd(1)[0]: (ID,)}


def test_what_was_not_accepted_is_not_told() -> None:
    world = beside_a_mesh(1)
    world.message(crowd(100)[-1])
    assert told(world.beat()) == {}
    world.judge(Verdict.IGNORE, "too-old")
    assert told(world.beat()) == {}


def test_peers_in_prune_backoff_are_told() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.prune(A)
    world.publish()
    assert told(world.beat()) == {A: (ID,)}


def test_a_message_is_told_for_three_heartbeats() -> None:
    world = beside_a_mesh(1)
    world.publish()
    assert [len(told(world.beat())) for _ in range(5)] == [1, 1, 1, 0, 0]


def test_within_three_heartbeats_everybody_is_told_however_many_they_are() -> None:
    world = beside_a_mesh(60)
    world.publish()
    heard = Counter(name for _ in range(3) for name in told(world.beat()))
    assert set(heard) == set(crowd(60)) and heard.total() == 3 * 21


def test_by_default_everybody_is_told_once_at_the_next_heartbeat() -> None:
    world = beside_a_mesh(60, mesh=MeshParameters())
    world.publish()
    found = [told(world.beat()) for _ in range(3)]
    assert set(found[0]) >= set(crowd(60)) - world.router.mesh_of(T) and found[1:] == [{}, {}]


@pytest.mark.parametrize("windows", [1, 3])
def test_who_came_into_the_mesh_after_a_message_was_accepted_is_told_of_it(windows: int) -> None:
    world = beside_a_mesh(1, mesh=replace(MESH, gossip_heartbeats=windows))
    newcomer = crowd(1)[0]
    world.accepted(crowd(100)[-1])
    world.graft(newcomer)
    assert [newcomer in told(world.beat()) for _ in range(windows + 1)] == [True] * windows + [False]


def test_a_heartbeat_tells_a_share_of_many_and_at_least_d_lazy() -> None:
    for n, expected in ((5, 5), (12, 6), (60, 21)):
        world = beside_a_mesh(n)
        world.publish()
        assert len(told(world.beat())) == expected


@pytest.mark.parametrize(("score_milli", "expected"), [(-100_000, 1), (-100_001, 0)])
def test_those_below_the_gossip_threshold_are_not_told(score_milli: int, expected: int) -> None:
    world = beside_a_mesh(1)
    world.do(Scored(crowd(1)[0], score_milli))
    world.publish()
    assert len(told(world.beat())) == expected


def test_those_who_take_no_part_are_not_told() -> None:
    world = RouterWorld()
    world.connect(A, topics=(U,))
    world.publish()
    assert told(world.beat()) == {}


def test_ids_for_one_peer_are_bounded_and_each_is_told_of_others() -> None:
    world = beside_a_mesh(8, mesh=replace(MESH, ihave_ids_per_heartbeat=5, d_lazy=99))
    ids = {message_id(T, b"%d" % n) for n in range(50)}
    for n in range(50):
        world.publish(b"%d" % n)
    found = told(world.beat())
    assert [len(ids_told) for ids_told in found.values()] == [5] * 8
    assert len({one for ids_told in found.values() for one in ids_told}) > 20
    assert all(set(ids_told) <= ids for ids_told in found.values())


def test_the_bound_is_over_all_topics_and_control_comes_first() -> None:
    control = "/x/control/grant"
    world = RouterWorld(topics=(T, control), mesh=replace(MESH, ihave_ids_per_heartbeat=3))
    world.connect(A, topics=(T, control))
    world.prune(A, T)
    world.prune(A, control)
    for n in range(5):
        world.publish(b"%d" % n)
    for n in range(2):
        world.publish(b"%d" % n, control)
    haves = sent_to(world.beat(), A).ihave
    assert [(have.topic, len(have.message_ids)) for have in haves] == [(control, 2), (T, 1)]
    world.publish(b"2", control)
    haves = sent_to(world.beat(), A).ihave
    assert [(have.topic, len(have.message_ids)) for have in haves] == [(control, 3)]


def test_a_topic_that_was_left_is_not_told_of() -> None:
    world = beside_a_mesh(1)
    world.publish()
    world.do(Subscribed(frozenset()))
    assert told(world.beat()) == {}


def test_what_is_published_without_taking_part_is_told_of() -> None:
    world = RouterWorld(topics=(), mesh=replace(MESH, flood_publish=False, d=2, d_low=2))
    world.connect(*crowd(8))
    heard = hearers(world.publish())
    found = told(world.beat())
    assert len(heard) == 2 and len(found) == 6 and not set(heard) & set(found)


# IWANT


def test_a_request_is_answered_in_the_lane_of_its_topic_by_a_message_alone() -> None:
    control = "/x/control/grant"
    world = RouterWorld(topics=(T, control))
    world.connect(A)
    world.publish()
    world.publish(topic=control)
    other = message_id(control, DATA)
    assert sent(world.rpc(A, iwant=(ID, other, b"unknown"))) == [
        SendRpc(A, carrying(), Lane.DATA, ID),
        SendRpc(A, carrying(topic=control), Lane.PRIORITY, other),
    ]


def test_a_message_can_be_asked_for_twice_by_each() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.publish()
    assert [len(sent(world.rpc(A, iwant=(ID,)))) for _ in range(3)] == [1, 1, 0]
    assert len(sent(world.rpc(B, iwant=(ID,)))) == 1
    assert counts(world.rpc(A, iwant=(ID,))) == {("iwants_dropped", "too-often"): 1}


def test_what_was_not_accepted_cannot_be_asked_for() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.message(A)
    assert world.rpc(B, iwant=(ID,)) == []
    world.judge(Verdict.IGNORE, "too-old")
    assert world.rpc(B, iwant=(ID,)) == []


def test_a_message_can_be_asked_for_longer_than_it_is_told_of() -> None:
    world = RouterWorld()
    world.connect(A)
    world.publish()
    world.beat(11)
    assert hearers(world.rpc(A, iwant=(ID,))) == [A]
    world.beat(1)
    assert hearers(world.rpc(A, iwant=(ID,))) == []


@pytest.mark.parametrize(("score_milli", "expected"), [(-100_000, [A]), (-100_001, [])])
def test_those_below_the_gossip_threshold_are_not_answered(score_milli: int, expected: list[bytes]) -> None:
    world = RouterWorld()
    world.connect(A)
    world.publish()
    world.do(Scored(A, score_milli))
    effects = world.rpc(A, iwant=(ID,))
    assert hearers(effects) == expected
    assert counts(effects).get(("iwants_dropped", "low-score"), 0) == 1 - len(expected)


def test_bytes_answered_are_bounded_and_the_rest_comes_after_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, iwant_bytes_per_heartbeat=9))
    world.connect(A)
    bodies = [b"1234", b"5678", b"9abc", b"def"]
    for data in bodies:
        world.publish(data)
    effects = world.rpc(A, iwant=tuple(message_id(T, data) for data in bodies))
    assert [effect.rpc for effect in sent(effects)] == [carrying(b"1234"), carrying(b"5678")]
    world.beat()
    effects = world.rpc(A, iwant=(message_id(T, b"1234"),))
    assert hearers(effects, message_id(T, b"1234")) == []  # the owed ones used the bytes up
    assert hearers(world.beat(), message_id(T, b"1234")) == [A]


def test_owed_answers_come_at_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, iwant_bytes_per_heartbeat=4))
    world.connect(A)
    for data in (b"1234", b"5678", b"9abc"):
        world.publish(data)
    world.rpc(A, iwant=tuple(message_id(T, data) for data in (b"1234", b"5678", b"9abc")))
    assert [hearers(world.beat(), message_id(T, data)) for data in (b"5678", b"9abc", b"5678")] == [[A], [A], []]


def test_what_is_owed_is_bounded() -> None:
    world = RouterWorld(mesh=replace(MESH, iwant_bytes_per_heartbeat=0), limits=RouterLimits(max_owed_per_peer=1))
    world.connect(A)
    for data in (b"1", b"2", b"3"):
        world.publish(data)
    effects = world.rpc(A, iwant=tuple(message_id(T, data) for data in (b"1", b"2", b"3")))
    assert counts(effects) == {("iwants_dropped", "over-bytes"): 2}


def test_ids_that_are_looked_up_are_bounded_until_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, ihave_ids_per_heartbeat=2))
    world.connect(A)
    world.publish()
    effects = world.rpc(A, iwant=(b"1", b"2", ID))
    assert counts(effects) == {("iwants_dropped", "too-many"): 1} and hearers(effects) == []
    world.beat()
    assert hearers(world.rpc(A, iwant=(ID,))) == [A]


def test_an_answer_in_the_queue_can_be_taken_back_by_its_id() -> None:
    world = RouterWorld(score=ScoreParameters())
    world.connect(C)
    world.publish()
    (answer,) = sent(world.rpc(C, iwant=(ID,)))
    assert answer.message_id == ID
