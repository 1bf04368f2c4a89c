from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Count, Inspect, Lane, SendRpc
from pushmesh_node.gossip.events import PeerDisconnected, Scored, Subscribed
from pushmesh_node.gossip.frames.inspection_queue import Merit
from pushmesh_node.gossip.messages.messages import NO_ROOM
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, MESH, A, B, C, D, RouterWorld, T, U, counts, crowd, hearers, sent

INSPECTED = [Inspect(A, ID, T, DATA)]
DUPLICATE = [Count("frames_ignored", "duplicate")]


def carrying(data: bytes = DATA, topic: str = T) -> Rpc:
    return Rpc(messages=(Message(topic, data),))


def meshed(*names: bytes) -> RouterWorld:
    world = RouterWorld()
    world.meshed(*names)
    return world


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


@pytest.mark.parametrize(
    "limits",
    [
        RouterLimits(max_pending_messages=1),
        RouterLimits(max_pending_bytes=7),
        RouterLimits(max_pending_per_peer=1),
    ],
)
def test_what_finds_no_room_is_ignored_and_may_come_again(limits: RouterLimits) -> None:
    world = RouterWorld(limits=limits)
    world.meshed(A)
    world.message(A)
    assert world.message(A, b"more") == [Count("frames_ignored", "queue-full")]
    world.judge(Verdict.IGNORE, "too-old")
    assert world.message(A, b"more") == [Inspect(A, message_id(T, b"more"), T, b"more")]


def test_a_peer_that_comes_back_brings_no_new_room() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_per_peer=1))
    world.connect(A)
    world.message(A)
    world.do(PeerDisconnected(A))
    world.connect(A)
    assert world.message(A, b"more") == [Count("frames_ignored", "queue-full")]


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
    assert world.judge(Verdict.ACCEPT) == [Count("frames_accepted"), SendRpc(C, carrying(), Lane.DATA, ID)]


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


# No room for judging


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
    assert world.message(A) == INSPECTED


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


def test_few_peers_cannot_fill_the_room_of_all() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=100))
    world.meshed(*crowd(10))
    greedy, modest = crowd(10)[0], crowd(10)[1]
    for at in range(60):
        world.message(greedy, b"%d" % at)
    assert world.router.pending_of(greedy) == 50
    assert counts(world.message(modest)) == {} and world.router.pending_of(modest) == 1


def test_strangers_cannot_fill_the_room_of_those_who_earned_it() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=100))
    strangers = crowd(60)
    world.connect(*strangers, B)
    world.graft(B)
    world.do(Scored(B, 1_000))
    for at in range(2):
        for name in strangers:
            world.message(name, b"%d of " % at + name)
    assert sum([world.router.pending_of(name) for name in strangers]) == 75
    assert counts(world.message(strangers[0])) == {("frames_ignored", "queue-full"): 1}
    assert world.message(B) == [Inspect(B, ID, T, DATA)]


def wasting(world: RouterWorld, name: bytes, n: int, reason: str = "too-old") -> None:
    """A peer sends so many messages that lead to nothing."""
    for at in range(n):
        data = b"junk %d of " % at + name
        world.message(name, data)
        world.judge(Verdict.IGNORE, reason, data=data)


def overload(world: RouterWorld, n: int = 500) -> None:
    """So many messages find no room in main; B sends them."""
    wasting(world, B, n, "no-credit")


def admitted(world: RouterWorld, name: bytes, n: int = 100) -> int:
    """How many of so many new messages are looked at."""
    effects = [effect for at in range(n) for effect in world.message(name, b"new %d of " % at + name)]
    inspected = [effect for effect in effects if isinstance(effect, Inspect)]
    assert len(inspected) + counts(effects).get(("frames_ignored", "gated"), 0) == n
    return len(inspected)


def test_under_load_the_gater_drops_at_random_what_comes_from_who_wastes() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 50)
    assert world.message(A) == INSPECTED
    overload(world)
    assert 0 < admitted(world, A, 200) < 20 and admitted(world, C) == 100


def test_what_was_gated_may_come_from_another() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 500)
    overload(world)
    assert world.message(A) == [Count("frames_ignored", "gated")]
    assert world.message(C) == [Inspect(C, ID, T, DATA)]


def test_a_frame_of_known_items_wastes_less_than_another_ignored_one() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 50, "duplicate")
    wasting(world, C, 50, "too-old")
    overload(world)
    assert admitted(world, A) > 2 * admitted(world, C)


def test_whoever_earned_it_is_looked_at_whatever_it_wastes() -> None:
    world = meshed(A, B, C)
    for name in (A, C):
        wasting(world, name, 500)
    world.do(Scored(C, 1_000))
    overload(world)
    assert admitted(world, A) < 10 and admitted(world, C) == 100


def test_copies_are_a_waste_too() -> None:
    world = meshed(A, B)
    for _ in range(400):
        world.message(A)
    overload(world)
    assert admitted(world, A) < 10


def test_whoever_delivered_is_let_in_beside_its_waste() -> None:
    world = meshed(A, B, C)
    for at in range(50):
        world.accepted(A, b"good %d" % at)
    for name in (A, C):
        wasting(world, name, 50)
    overload(world)
    assert admitted(world, A) > 30 > admitted(world, C)


def test_rejects_are_the_worst_waste_and_count_for_all_of_a_host() -> None:
    world = meshed(B)
    world.connect(A, C, host="10.0.0.1")
    world.reject_from(A, 5)
    overload(world)
    assert admitted(world, C) < 10


def test_a_full_queue_is_an_overload() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=1))
    world.meshed(A, B)
    wasting(world, A, 500)
    world.message(B)
    for at in range(500):
        world.message(B, b"much %d" % at)
    world.judge(Verdict.ACCEPT)
    assert world.message(A, b"new") == [Count("frames_ignored", "gated")]


def test_verdicts_that_never_come_are_an_overload() -> None:
    world = RouterWorld(limits=RouterLimits(judge_timeout_ms=1_000))
    world.meshed(A, B)
    wasting(world, A, 500)
    for at in range(500):
        world.message(B, b"much %d" % at)
    world.beat()
    assert world.message(A, b"new") == [Count("frames_ignored", "gated")]


def test_a_few_that_found_no_room_among_many_are_no_overload() -> None:
    world = meshed(A, B)
    wasting(world, A, 500)
    overload(world, 100)
    assert admitted(world, A) == 100


def test_waste_is_forgotten_in_time() -> None:
    world = meshed(A, B)
    wasting(world, A, 20)
    world.beat(2 * 3_600)
    overload(world)
    assert admitted(world, A) == 100


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


# Own messages


def test_an_own_message_goes_to_all_of_the_topic_the_mesh_first() -> None:
    world = RouterWorld()
    world.connect(B, C)
    world.meshed(A)
    world.connect(D, topics=(U,))
    effects = world.publish()
    assert hearers(effects) == [A, B, C] and effects[-1] == Count("frames_published")
    assert {effect.message_id for effect in sent(effects)} == {ID}
    assert world.message(B) == DUPLICATE


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
