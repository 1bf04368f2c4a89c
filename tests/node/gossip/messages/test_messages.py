import pytest

from pushmesh_node.gossip.effects import Count, Inspect, Lane, SendRpc
from pushmesh_node.gossip.events import PeerDisconnected, Scored, Subscribed
from pushmesh_node.gossip.frames.inspection_queue import Merit
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, A, B, C, D, RouterWorld, T, U, counts, hearers, meshed, sent

INSPECTED = [Inspect(A, ID, T, DATA)]
DUPLICATE = [Count("frames_ignored", "duplicate")]


# First sight


def test_a_message_is_inspected_before_anything_is_sent() -> None:
    assert meshed(A, B).message(A) == INSPECTED


@pytest.mark.parametrize(
    ("first_milli", "second_milli", "goes_over"),
    [(0, 999, False), (0, 1_000, True), (1_000, 9_000, False), (-1, 0, True), (1_000, -1, False)],
)
def test_a_copy_of_a_better_peer_has_the_message_inspected_in_that_peers_turn(
    first_milli: int, second_milli: int, goes_over: bool
) -> None:
    world = meshed(A, B)
    world.do(Scored(A, first_milli))
    world.do(Scored(B, second_milli))
    world.message(A)
    assert world.message(B) == ([Inspect(B, ID, T, DATA)] if goes_over else []) + DUPLICATE
    assert (world.router.pending_of(A), world.router.pending_of(B)) == ((0, 1) if goes_over else (1, 0))
    assert world.message(B) == DUPLICATE


def test_merit_follows_the_score() -> None:
    world = meshed(A)
    merits = []
    for score_milli in (-1, 0, 999, 1_000):
        world.do(Scored(A, score_milli))
        merits.append(world.router.merit_of(A))
    assert merits == [Merit.FAULTY, Merit.STRANGE, Merit.STRANGE, Merit.EARNED]
    assert world.router.merit_of(C) is Merit.STRANGE


def test_a_peer_outside_the_mesh_may_send_too() -> None:
    world = meshed(B)
    world.connect(A)
    assert world.message(A) == INSPECTED
    assert hearers(world.judge(Verdict.ACCEPT)) == [B]


def test_second_copy_has_no_effect_but_a_count() -> None:
    world = meshed(A, B)
    world.message(A)
    assert world.message(B) == DUPLICATE


def test_a_topic_of_no_interest_is_ignored_whatever_is_wrong_with_it() -> None:
    world = meshed(A)
    ignored = [Count("frames_ignored", "not-subscribed")]
    assert world.message(A, topic=U) == ignored
    assert world.rpc(A, messages=(Message(U, DATA, signed=True),)) == ignored
    assert world.router.score_of(A) == 0


def test_a_signed_message_is_rejected() -> None:
    world = meshed(A)
    effects = world.rpc(A, messages=(Message(T, DATA, signed=True),))
    assert counts(effects)["frames_rejected", "malformed"] == 1 and world.router.score_of(A) == -100


def test_an_oversize_message_is_rejected() -> None:
    world = RouterWorld(limits=RouterLimits(max_data_bytes=3))
    world.meshed(A)
    assert world.message(A, b"123")[0] == Inspect(A, message_id(T, b"123"), T, b"123")
    assert counts(world.message(A, b"1234"))["frames_rejected", "oversize"] == 1
    assert world.router.score_of(A) == -100


def test_a_message_is_forgotten_after_its_time_and_can_come_again() -> None:
    world = meshed(A)
    world.accepted(A)
    world.later(599_999)
    assert world.message(A) == DUPLICATE
    world.later(1)
    assert world.message(A) == INSPECTED


# Verdict


def test_an_accepted_message_goes_to_the_mesh_but_not_to_those_who_sent_it() -> None:
    world = meshed(A, B, C)
    world.connect(D)
    world.message(A)
    world.message(B)
    forwarded = Rpc(messages=(Message(T, DATA),))
    assert world.judge(Verdict.ACCEPT) == [Count("frames_accepted"), SendRpc(C, forwarded, Lane.DATA, ID)]


def test_messages_of_control_topics_go_in_the_priority_lane() -> None:
    control = "/x/control/grant"
    world = RouterWorld(topics=(control,))
    world.connect(A, B, topics=(control,))
    for name in (A, B):
        world.graft(name, control)
    (forwarded,) = sent(world.accepted(A, topic=control))
    assert (forwarded.peer, forwarded.lane) == (B, Lane.PRIORITY)
    assert {effect.lane for effect in sent(world.publish(b"mine", control))} == {Lane.PRIORITY}


def test_an_ignored_message_goes_nowhere_and_blames_nobody() -> None:
    world = meshed(A, B)
    world.message(A)
    assert world.judge(Verdict.IGNORE, "too-old") == [Count("frames_ignored", "too-old")]
    assert world.router.score_of(A) == 0


def test_what_was_ignored_for_itself_is_not_looked_at_again() -> None:
    world = meshed(A, B)
    world.message(A)
    world.judge(Verdict.IGNORE, "too-old")
    assert world.message(B) == DUPLICATE


def test_a_rejected_message_goes_nowhere_and_all_who_sent_it_are_blamed() -> None:
    world = meshed(A, B, C)
    world.message(A)
    world.message(B)
    effects = world.judge(Verdict.REJECT, "bad-signature")
    assert counts(effects)["frames_rejected", "bad-signature"] == 1 and hearers(effects) == []
    assert [world.router.score_of(name) for name in (A, B, C)] == [-100, -100, 0]


def test_who_sends_what_was_rejected_is_blamed_without_another_look() -> None:
    world = meshed(A, B)
    world.message(A)
    world.judge(Verdict.REJECT, "malformed")
    effects = world.message(B)
    assert counts(effects)["frames_rejected", "rejected-before"] == 1
    assert not any(isinstance(effect, Inspect) for effect in effects)
    assert world.router.score_of(B) == -100


def test_a_sender_that_left_is_blamed_when_it_comes_back() -> None:
    world = meshed(A)
    world.message(A)
    world.do(PeerDisconnected(A))
    world.judge(Verdict.REJECT, "malformed")
    world.connect(A)
    assert world.router.score_of(A) == -100


def test_a_message_outlives_the_peer_that_brought_it() -> None:
    world = meshed(A, B)
    world.message(A)
    world.do(PeerDisconnected(A))
    assert hearers(world.judge(Verdict.ACCEPT)) == [B]


def test_a_judgement_counts_once() -> None:
    world = meshed(A, B)
    world.accepted(A)
    assert world.judge(Verdict.ACCEPT) == [Count("judgements_dropped", "not-pending")]


def test_a_message_of_a_topic_that_was_left_meanwhile_goes_nowhere() -> None:
    world = meshed(A, B)
    world.message(A)
    world.do(Subscribed(frozenset()))
    assert hearers(world.judge(Verdict.ACCEPT)) == []


def test_a_judgement_that_never_comes_frees_its_room_and_is_no_verdict() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=1, judge_timeout_ms=3_000))
    world.meshed(A)
    world.message(A)
    assert ("frames_ignored", "timeout") not in counts(world.beat(2))
    assert counts(world.beat())["frames_ignored", "timeout"] == 1
    assert world.message(A, b"2") == [Inspect(A, message_id(T, b"2"), T, b"2")]
    assert world.message(A) == DUPLICATE and world.router.pending_of(A) == 1


# Credit


def test_new_bytes_are_credited_to_who_sent_them() -> None:
    world = meshed(A, B)
    world.accepted(A, new_bytes=2_048)
    world.beat()
    assert world.router.score_of(A) - world.router.score_of(B) == pytest.approx(2)


def test_a_copy_right_behind_shares_the_credit_though_it_comes_after_the_verdict() -> None:
    world = meshed(A, B, C)
    world.accepted(A, new_bytes=2_048)
    world.later(50)
    world.message(B)
    world.later(1)
    world.message(C)
    world.beat()
    a, b, c = (world.router.score_of(name) for name in (A, B, C))
    assert (a - c, b - c) == pytest.approx((1, 1))
