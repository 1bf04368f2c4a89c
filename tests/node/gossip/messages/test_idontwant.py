from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Inspect, Lane, SendRpc, Unsend
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, MESH, A, B, C, RouterWorld, T, counts, hearers, sent, sent_to

BIG = b"x" * 1_024
BIG_ID = message_id(T, BIG)


def mesh_of_1_2() -> RouterWorld:
    world = RouterWorld()
    world.meshed(A, B, C, dialect=Dialect.V1_2)
    return world


# Sent


def test_the_mesh_is_told_of_a_large_message_at_first_sight_and_its_sender_is_not() -> None:
    effects = mesh_of_1_2().message(A, BIG)
    told = Rpc(idontwant=(BIG_ID,))
    assert effects == [Inspect(A, BIG_ID, T, BIG), SendRpc(B, told, Lane.CONTROL), SendRpc(C, told, Lane.CONTROL)]


def test_nobody_is_told_of_a_small_message_or_of_a_copy() -> None:
    world = mesh_of_1_2()
    assert sent(world.message(A, BIG[:-1])) == []
    world.message(A, BIG)
    assert sent(world.message(B, BIG)) == []


def test_peers_of_the_older_dialect_are_not_told() -> None:
    world = RouterWorld()
    world.meshed(A, B, dialect=Dialect.V1_1)
    assert sent(world.message(A, BIG)) == []


def test_those_outside_the_mesh_are_not_told() -> None:
    world = RouterWorld()
    world.connect(A, B, dialect=Dialect.V1_2)
    assert sent(world.message(A, BIG)) == []


def test_what_finds_no_room_is_not_told_of() -> None:
    world = mesh_of_1_2()
    world.rpc(A, messages=tuple(Message(T, b"%d" % n) for n in range(512)))
    assert sent(world.message(A, BIG)) == []


def test_many_in_one_rpc_are_told_in_rpcs_that_others_take() -> None:
    world = mesh_of_1_2()
    effects = world.rpc(A, messages=tuple(Message(T, BIG + b"%d" % n) for n in range(25)))
    assert [len(effect.rpc.idontwant) for effect in sent(effects) if effect.peer == B] == [10, 10, 5]


# Received


def test_who_said_it_is_not_sent_the_message() -> None:
    world = mesh_of_1_2()
    world.rpc(B, idontwant=(ID,))
    assert hearers(world.accepted(A)) == [C]
    world.rpc(C, idontwant=(message_id(T, b"mine"),))
    assert hearers(world.publish(b"mine"), message_id(T, b"mine")) == [A, B]


def test_what_waits_to_be_sent_is_taken_back() -> None:
    world = mesh_of_1_2()
    world.accepted(A)
    assert world.rpc(B, idontwant=(ID, b"unknown")) == [Unsend(B, ID)]


def test_what_cannot_wait_is_not_taken_back() -> None:
    world = mesh_of_1_2()
    world.message(A)
    assert world.rpc(B, idontwant=(ID,)) == []


def test_who_said_it_and_asks_for_it_is_answered() -> None:
    world = mesh_of_1_2()
    world.rpc(B, idontwant=(ID,))
    world.accepted(A)
    assert hearers(world.rpc(B, iwant=(ID,))) == [B]


def test_it_is_forgotten_after_three_heartbeats() -> None:
    for beats, expected in ((2, [C]), (3, [B, C])):
        world = mesh_of_1_2()
        world.rpc(B, idontwant=(ID,))
        world.beat(beats)
        assert hearers(world.accepted(A)) == expected


def test_saying_it_again_makes_it_last() -> None:
    world = mesh_of_1_2()
    other = message_id(T, b"other")
    world.rpc(B, idontwant=(ID, other))
    world.beat(2)
    world.rpc(B, idontwant=(ID,))
    world.beat(2)
    assert hearers(world.accepted(A)) == [C]
    assert hearers(world.accepted(A, b"other"), other) == [B, C]


def test_ids_are_bounded_until_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, idontwant_ids_per_heartbeat=2))
    world.meshed(A, B)
    world.rpc(B, idontwant=(b"1",))
    effects = world.rpc(B, idontwant=(b"2", ID))
    assert counts(effects) == {("idontwants_dropped", "too-many"): 1}
    assert hearers(world.accepted(A)) == [B]
    world.beat()
    world.rpc(B, idontwant=(message_id(T, b"2"),))
    assert hearers(world.accepted(A, b"2"), message_id(T, b"2")) == []


def test_rpcs_are_bounded_until_the_heartbeat() -> None:
    world = RouterWorld(mesh=replace(MESH, idontwants_per_heartbeat=1))
    world.meshed(A, B)
    world.rpc(B, idontwant=(b"1",))
    assert counts(world.rpc(B, idontwant=(ID, b"2"))) == {("idontwants_dropped", "too-many"): 2}
    assert hearers(world.accepted(A)) == [B]


# Nobody is kept from a message by it


def test_one_peers_word_keeps_the_message_from_no_other() -> None:
    world = mesh_of_1_2()
    world.rpc(A, idontwant=(ID,))
    assert hearers(world.accepted(A)) == [B, C]


@pytest.mark.parametrize("reason", ["throttled", "no-credit", "queue-full"])
def test_what_the_mesh_was_told_not_to_send_is_asked_of_it_if_it_went_unjudged(reason: str) -> None:
    world = mesh_of_1_2()
    world.message(A, BIG)
    world.judge(Verdict.IGNORE, reason, data=BIG)
    asked = [effect.peer for effect in sent(world.beat()) if effect.rpc.iwant == (BIG_ID,)]
    assert len(asked) == 1 and (asked[0] != A or reason != "throttled")
    (helper,) = asked
    assert world.message(helper, BIG)[0] == Inspect(helper, BIG_ID, T, BIG)


def test_who_does_not_have_what_was_hoped_for_is_not_charged() -> None:
    world = mesh_of_1_2()
    world.message(A, BIG)
    world.judge(Verdict.IGNORE, "throttled", data=BIG)
    world.beat(10)
    assert world.router.score_of(B) >= 0 and world.router.score_of(C) >= 0
    assert sent_to(world.beat(), B) == Rpc()


def test_nothing_is_asked_for_after_a_verdict_on_the_message() -> None:
    world = mesh_of_1_2()
    world.message(A, BIG)
    world.judge(Verdict.IGNORE, "too-old", data=BIG)
    assert [effect for effect in sent(world.beat()) if effect.rpc.iwant] == []
    assert DATA != BIG
