from dataclasses import replace

import pytest

from pushmesh_node.gossip.effects import Disconnect
from pushmesh_node.gossip.events import Scored, Subscribed
from pushmesh_node.gossip.parameters import RouterLimits, ScoreParameters
from pushmesh_node.gossip.wire.rpc import Graft, IHave, Prune, Rpc
from support.router_world import ID, MESH, A, B, RouterWorld, T, U, counts, crowd, sent, sent_to

REFUSED = Rpc(prune=(Prune(T, (), 60),))
FULL = Rpc(prune=(Prune(T, (), 15),))
STRICT = ScoreParameters(behaviour_threshold=0.0)


def strict() -> RouterWorld:
    """Each misdeed costs 10 points, squared."""
    return RouterWorld(score=STRICT)


# GRAFT


def test_a_graft_is_accepted_without_a_word() -> None:
    world = RouterWorld()
    world.connect(A)
    assert sent(world.graft(A)) == [] and world.router.mesh_of(T) == {A}


def test_a_graft_of_a_member_changes_nothing() -> None:
    world = RouterWorld()
    world.meshed(A)
    assert world.graft(A) == [] and world.router.mesh_of(T) == {A}


def test_a_graft_for_a_strange_topic_is_not_answered() -> None:
    world = RouterWorld()
    world.connect(A)
    assert sent(world.graft(A, U)) == [] and world.router.mesh_of(U) == frozenset()


def test_a_graft_says_that_its_sender_takes_part() -> None:
    world = RouterWorld()
    world.connect(A, topics=())
    world.graft(A)
    assert world.router.mesh_of(T) == {A}


def test_a_graft_of_a_peer_with_too_many_topics_is_refused() -> None:
    world = RouterWorld(limits=RouterLimits(max_topics_per_peer=1))
    world.connect(A, topics=(U,))
    assert sent_to(world.graft(A), A) == REFUSED and world.router.mesh_of(T) == frozenset()


@pytest.mark.parametrize(("score_milli", "accepted"), [(0, True), (-1, False)])
def test_a_graft_of_a_peer_below_zero_is_refused(score_milli: int, accepted: bool) -> None:
    world = RouterWorld()
    world.connect(A)
    world.do(Scored(A, score_milli))
    effects = world.graft(A)
    assert (A in world.router.mesh_of(T)) is accepted
    assert sent_to(effects, A) == (Rpc() if accepted else REFUSED)


def test_who_was_refused_for_its_score_is_in_backoff() -> None:
    world = RouterWorld()
    world.connect(A)
    world.do(Scored(A, -1))
    world.graft(A)
    world.do(Scored(A, 0))
    assert counts(world.graft(A)) == {("grafts_refused", "in-backoff"): 1}


@pytest.mark.parametrize(("members", "outbound", "accepted"), [(9, False, True), (10, False, False), (10, True, True)])
def test_a_full_mesh_takes_only_who_was_dialled(members: int, outbound: bool, accepted: bool) -> None:
    world = RouterWorld()
    world.meshed(*crowd(members))
    world.connect(A, outbound=outbound)
    effects = world.graft(A)
    assert (A in world.router.mesh_of(T)) is accepted
    assert sent_to(effects, A) == (Rpc() if accepted else FULL)


@pytest.mark.parametrize(("score_milli", "accepted"), [(-1_001, False), (999, False), (1_000, True)])
def test_a_much_better_peer_takes_the_place_of_the_worst_in_a_full_mesh(score_milli: int, accepted: bool) -> None:
    world = RouterWorld()
    world.meshed(*(members := crowd(10)))
    for member in members[1:]:
        world.do(Scored(member, 500))
    world.connect(A)
    world.do(Scored(A, score_milli))
    effects = world.graft(A)
    assert (A in world.router.mesh_of(T)) is accepted
    assert (members[0] in world.router.mesh_of(T)) is not accepted
    assert len(world.router.mesh_of(T)) == 10
    assert sent_to(effects, members[0]) == (FULL if accepted else Rpc())


def test_whoever_lost_its_place_to_a_better_peer_is_in_backoff() -> None:
    world = RouterWorld()
    world.meshed(*(members := crowd(10)))
    world.connect(A)
    world.do(Scored(A, 1_000))
    world.graft(A)
    assert counts(world.graft(members[0])) == {("grafts_refused", "in-backoff"): 1}


def test_whoever_a_full_mesh_refused_may_soon_ask_again() -> None:
    world = RouterWorld()
    world.meshed(*crowd(10))
    world.connect(A)
    world.graft(A)
    world.later(15_000)
    assert counts(world.graft(A)) == {("grafts_refused", "mesh-full"): 1}


def test_a_graft_in_backoff_is_refused_and_charged() -> None:
    world = strict()
    world.meshed(A)
    world.prune(A)
    world.later(10_000)
    assert sent_to(world.graft(A), A) == REFUSED
    assert world.router.score_of(A) == -10


def test_a_graft_right_after_a_prune_is_charged_twice() -> None:
    world = strict()
    world.meshed(A)
    world.prune(A)
    world.later(9_999)
    world.graft(A)
    assert world.router.score_of(A) == -40


def test_a_graft_after_the_backoff_is_accepted_free_of_charge() -> None:
    world = strict()
    world.meshed(A)
    world.prune(A)
    world.later(60_000)
    world.graft(A)
    assert world.router.mesh_of(T) == {A} and world.router.score_of(A) == 0


def test_a_refusal_starts_the_backoff_anew() -> None:
    world = strict()
    world.meshed(A)
    world.prune(A)
    world.later(59_999)
    world.graft(A)
    world.later(59_999)
    assert counts(world.graft(A))["grafts_refused", "low-score"] == 1  # as its score fell, too
    world.do(Scored(A, 1_000_000))
    assert counts(world.graft(A))["grafts_refused", "in-backoff"] == 1


def test_grafts_in_backoff_cost_every_mesh() -> None:
    world = RouterWorld(topics=(T, U), score=STRICT)
    world.connect(A, topics=(T, U))
    for topic in (T, U):
        world.graft(A, topic)
    world.prune(A, T)
    assert [prune.topic for prune in sent_to(world.graft(A, T), A).prune] == [T, U]
    assert world.router.mesh_of(U) == frozenset()


def test_a_few_grafts_in_backoff_are_forgiven_by_default() -> None:
    world = RouterWorld(score=replace(STRICT, behaviour_threshold=6.0))
    world.meshed(A)
    world.prune(A)
    for _ in range(3):
        world.graft(A)
    assert world.router.score_of(A) == 0
    world.graft(A)
    assert world.router.score_of(A) == -40


def test_nothing_more_is_read_of_an_rpc_whose_graft_sent_its_sender_away() -> None:
    world = RouterWorld(topics=(T, U), score=ScoreParameters(behaviour_weight=-20_000.0, behaviour_threshold=0.0))
    world.connect(A, B, topics=(T, U))
    world.publish()
    world.prune(A)
    effects = world.rpc(
        A, graft=(Graft(T), Graft(U)), ihave=(IHave(T, (b"x" * 20,)),), iwant=(ID,), prune=(Prune(T, (), 99),)
    )
    assert Disconnect(A, "graylisted") in effects and sent(effects) == []
    assert {name for name, _ in counts(effects)} == {"grafts_refused"}
    assert world.router.mesh_of(U) == frozenset()


# PRUNE


def test_a_prune_takes_the_peer_out_and_is_not_answered() -> None:
    world = RouterWorld()
    world.meshed(A)
    effects = world.prune(A)
    assert sent(effects) == [] and counts(effects) == {("mesh_leaves", "pruned-by-peer"): 1}
    assert world.router.mesh_of(T) == frozenset()


@pytest.mark.parametrize(
    ("backoff_s", "in_force_ms"), [(0, 60_000), (5, 5_000), (3_600, 3_600_000), (2**64 - 1, 3_600_000)]
)
def test_a_backoff_is_what_the_peer_says_within_bounds(backoff_s: int, in_force_ms: int) -> None:
    world = strict()
    world.meshed(A)
    world.prune(A, backoff_s=backoff_s)
    world.later(in_force_ms - 1)
    assert counts(world.graft(A)) == {("grafts_refused", "in-backoff"): 1}
    world = strict()
    world.meshed(A)
    world.prune(A, backoff_s=backoff_s)
    world.later(in_force_ms)
    assert counts(world.graft(A)) == {("mesh_joins", "grafted-by-peer"): 1}


def test_a_refused_graft_of_ours_is_not_tried_again_in_its_backoff() -> None:
    world = RouterWorld()
    world.connect(A)
    assert sent_to(world.beat(), A).graft == (Graft(T),)
    world.prune(A, backoff_s=10)
    assert sent_to(world.beat(10), A).graft == ()
    assert sent_to(world.beat(1), A).graft == (Graft(T),)


def test_a_prune_of_who_was_in_no_mesh_holds_too() -> None:
    world = RouterWorld()
    world.connect(A)
    world.prune(A)
    assert sent_to(world.beat(), A).graft == ()


def test_a_prune_for_a_strange_topic_is_nothing() -> None:
    world = RouterWorld()
    world.connect(A, topics=(U,))
    assert world.prune(A, U) == []
    world.do(Subscribed(frozenset({T, U})))
    assert world.router.mesh_of(U) == {A}


def test_backoffs_are_bounded() -> None:
    world = RouterWorld(limits=RouterLimits(max_backoffs=1))
    world.meshed(A, B)
    world.prune(A)
    world.prune(B)
    assert dict((name, value) for name, _, value in world.router.gauges())["router_backoffs"] == 1


def test_own_grafts_wait_longer_than_what_is_asked_of_others() -> None:
    world = RouterWorld(mesh=replace(MESH, backoff_slack_ms=5_000))
    world.connect(A)
    world.prune(A, backoff_s=10)
    assert sent_to(world.beat(14), A).graft == ()
    assert sent_to(world.beat(1), A).graft == (Graft(T),)
