import pytest

from pushmesh_node.gossip.effects import Count, Inspect
from pushmesh_node.gossip.events import PeerDisconnected
from pushmesh_node.gossip.messages.retrying import NO_ROOM, Refusals
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, A, B, C, D, RouterWorld, T, hearers, meshed, sent


@pytest.mark.parametrize("reason", sorted(NO_ROOM))
def test_what_was_ignored_for_want_of_room_is_looked_at_again_from_another_peer(reason: str) -> None:
    world = meshed(A, B)
    world.message(A)
    assert world.judge(Verdict.IGNORE, reason) == [Count("frames_ignored", reason)]
    assert world.message(B) == [Inspect(B, ID, T, DATA)]


def test_another_senders_budget_may_do_where_the_first_ones_did_not() -> None:
    world = meshed(A, B, C, D)
    for name in (A, B, C):
        world.message(name)
    assert world.judge(Verdict.IGNORE, "throttled")[1:] == [Inspect(B, ID, T, DATA)]
    assert [world.router.pending_of(name) for name in (A, B)] == [0, 1]
    assert world.judge(Verdict.IGNORE, "throttled")[1:] == [Inspect(C, ID, T, DATA)]
    assert hearers(world.judge(Verdict.ACCEPT)) == [D]


def test_each_senders_budget_is_tried_once() -> None:
    world = meshed(A, B)
    world.message(A)
    world.message(B)
    world.judge(Verdict.IGNORE, "throttled")
    assert world.judge(Verdict.IGNORE, "throttled") == [Count("frames_ignored", "throttled")]
    assert world.router.pending_of(A) == world.router.pending_of(B) == 0


def test_where_nobodys_budget_helps_no_other_is_tried() -> None:
    world = meshed(A, B)
    world.message(A)
    world.message(B)
    assert world.judge(Verdict.IGNORE, "no-credit") == [Count("frames_ignored", "no-credit")]


def test_another_sender_is_asked_for_it_at_the_heartbeat() -> None:
    world = meshed(A, B)
    world.message(A)
    world.message(B)
    world.judge(Verdict.IGNORE, "no-credit")
    assert [effect.peer for effect in sent(world.beat()) if effect.rpc.iwant == (ID,)] != []


def test_who_sent_what_found_no_room_in_main_is_asked_for_it_again() -> None:
    world = meshed(A)
    world.message(A)
    world.judge(Verdict.IGNORE, "no-credit")
    assert [effect.peer for effect in sent(world.beat()) if effect.rpc.iwant == (ID,)] == [A]


def test_nothing_is_hoped_of_a_sender_that_left() -> None:
    world = meshed(A)
    world.message(A)
    world.do(PeerDisconnected(A))
    world.judge(Verdict.IGNORE, "no-credit")
    assert ("router_wanted_ids", "", 0) in world.router.gauges()


def test_who_was_over_its_own_budget_is_not_asked_again() -> None:
    world = meshed(A)
    world.message(A)
    world.judge(Verdict.IGNORE, "throttled")
    assert [effect.peer for effect in sent(world.beat()) if effect.rpc.iwant] == []


def test_a_sender_without_room_for_more_is_asked_instead_of_charged() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_per_peer=1))
    world.meshed(A, B)
    world.message(B, b"other")
    world.message(A)
    world.message(B)
    assert world.judge(Verdict.IGNORE, "throttled") == [Count("frames_ignored", "throttled")]
    assert world.router.pending_of(B) == 1
    assert [effect.peer for effect in sent(world.beat()) if effect.rpc.iwant == (ID,)] == [B]


def test_who_is_over_its_budget_does_not_keep_a_message_busy_by_sending_it_again() -> None:
    world = meshed(A, B)
    world.message(A)
    world.judge(Verdict.IGNORE, "throttled")
    assert world.message(A) == [Count("frames_ignored", "throttled")]
    assert world.message(B) == [Inspect(B, ID, T, DATA)]


def test_who_was_over_its_budget_is_heard_again_after_two_heartbeats() -> None:
    world = meshed(A)
    world.message(A)
    world.judge(Verdict.IGNORE, "throttled")
    world.beat(2)
    assert world.message(A) == [Inspect(A, ID, T, DATA)]


def test_sending_again_what_was_refused_does_not_take_back_that_others_are_asked() -> None:
    world = meshed(A, B)
    world.message(A)
    world.message(B)
    for _ in range(2):
        world.judge(Verdict.IGNORE, "throttled")
    world.connect(C)
    world.announce(C, ID)
    world.message(A)
    world.do(PeerDisconnected(C))
    world.connect(D)
    world.message(A)
    assert [effect.peer for effect in sent(world.announce(D, ID)) if effect.rpc.iwant] == [D]


def test_what_never_finds_room_is_asked_for_three_times() -> None:
    world = meshed(A)
    asked = 0
    for _ in range(6):
        world.message(A)
        world.judge(Verdict.IGNORE, "no-credit")
        asked += len([effect for effect in sent(world.beat(4)) if effect.rpc.iwant])
    assert asked == 3


# Refusals


def test_a_refusal_is_remembered_for_one_to_two_heartbeats() -> None:
    refusals = Refusals(max_messages=9)
    refusals.add(b"1", b"a")
    refusals.shift()
    refusals.add(b"1", b"b")
    assert refusals.has(b"1", b"a") and refusals.has(b"1", b"b")
    assert not refusals.has(b"1", b"c") and not refusals.has(b"2", b"a")
    refusals.shift()
    assert not refusals.has(b"1", b"a") and refusals.has(b"1", b"b")
    refusals.shift()
    assert len(refusals) == 0


def test_refusals_are_bounded_by_message() -> None:
    refusals = Refusals(max_messages=1)
    for one, peer in ((b"1", b"a"), (b"2", b"a"), (b"1", b"b")):
        refusals.add(one, peer)
    assert [refusals.has(b"1", b"a"), refusals.has(b"2", b"a"), refusals.has(b"1", b"b")] == [True, False, True]
