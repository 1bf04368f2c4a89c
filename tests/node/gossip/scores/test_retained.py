from collections.abc import Callable
from dataclasses import replace

import pytest

from pushmesh_node.gossip.scores.reputation import Reputation
from pushmesh_node.gossip.scores.retained import RetainedPeers
from pushmesh_node.gossip.scores.scoring import PeerScores, ScoreParts
from support.scored import ANN, BOB, CID, KIB, NOW, SECOND, TOPIC, P, crowd_at, scores_of

# By itself


def bad(points: float, host: str = "") -> Reputation:
    return Reputation(host=host, score=-points)


def score_in(held: dict[bytes, Reputation]) -> Callable[[bytes], float]:
    return lambda peer: held[peer].score or 0.0


def test_who_comes_back_is_handed_over_once_and_who_is_asked_for_stays() -> None:
    retained, held = RetainedPeers(P), bad(1)
    retained.keep(ANN, held, NOW, score_in({ANN: held}))
    assert retained.get(ANN) is held and retained.get(BOB) is None
    assert retained.take(ANN) is held and retained.take(ANN) is None
    assert (retained.get(ANN), len(retained)) == (None, 0)


def test_those_whose_time_is_over_are_forgotten_in_whatever_order_they_came() -> None:
    retained, held = RetainedPeers(P), {ANN: bad(1), BOB: bad(2)}
    retained.keep(ANN, held[ANN], NOW + 1, score_in(held))
    retained.keep(BOB, held[BOB], NOW, score_in(held))
    retained.forget_late(NOW + P.retain_ms)
    assert (retained.get(ANN), retained.get(BOB)) == (held[ANN], None)


def test_of_graylisted_peers_of_hosts_alike_the_latest_is_forgotten() -> None:
    retained, held = RetainedPeers(replace(P, max_retained=2)), {ANN: bad(10_001), BOB: bad(99_999), CID: bad(20_000)}
    for peer in (ANN, BOB, CID):
        retained.keep(peer, held[peer], NOW, score_in(held))
    assert [retained.get(peer) for peer in (ANN, BOB, CID)] == [held[ANN], held[BOB], None]


# Peers that left


def test_a_peer_that_comes_back_finds_its_bad_deeds_and_not_its_good_ones() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.accepted({ANN: NOW}, TOPIC, 10 * KIB, NOW)
    scores.refresh(NOW + 1)
    scores.rejected([ANN], TOPIC)
    scores.misbehaved(ANN)
    scores.disconnected(ANN, NOW + 1)
    assert scores.of(ANN) == -110.0
    scores.connected(ANN, "", NOW + 2)
    assert scores.parts(ANN) == ScoreParts(invalid=-100.0, behaviour=-10.0, total=-110.0)


def test_a_peer_without_bad_deeds_is_forgotten_when_it_leaves() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.accepted({ANN: NOW}, TOPIC, 10 * KIB, NOW)
    scores.disconnected(ANN, NOW)
    assert (scores.of(ANN), scores.retained) == (0.0, 0)


def test_what_is_remembered_does_not_decay_and_ends_at_its_time() -> None:
    scores = scores_of(ANN)
    scores.rejected([ANN], TOPIC)
    scores.disconnected(ANN, NOW)
    scores.refresh(NOW + P.retain_ms - 1)
    assert scores.of(ANN) == -100.0
    scores.refresh(NOW + P.retain_ms)
    assert (scores.of(ANN), scores.retained) == (0.0, 0)


def test_the_time_of_memory_begins_with_the_disconnect_or_the_restart() -> None:
    scores = scores_of(ANN)
    scores.rejected([ANN], TOPIC)
    scores.disconnected(ANN, NOW + 50 * SECOND)
    scores.restore(BOB, -10_000, NOW + 60 * SECOND)
    scores.refresh(NOW + P.retain_ms + 48 * SECOND)
    assert (scores.of(ANN), scores.of(BOB)) == (-100.0, -10.0)
    scores.refresh(NOW + P.retain_ms + 59 * SECOND)
    scores.refresh(NOW + P.retain_ms + 60 * SECOND)
    assert scores.retained == 0


def test_leaving_again_begins_the_time_of_memory_again() -> None:
    scores = scores_of(ANN)
    scores.rejected([ANN], TOPIC)
    scores.disconnected(ANN, NOW)
    scores.connected(ANN, "", NOW + P.retain_ms - 2)
    scores.disconnected(ANN, NOW + P.retain_ms - 1)
    scores.refresh(NOW + 2 * P.retain_ms - 13 * SECOND)
    assert scores.of(ANN) == -100.0


def test_what_a_connected_peer_does_is_not_kept_twice() -> None:
    scores = scores_of(ANN)
    scores.misbehaved(ANN)
    assert scores.retained == 0


def test_nothing_is_left_of_good_peers_that_left() -> None:
    scores, peers = crowd_at("192.0.2.1", 6)
    for peer in peers:
        scores.grafted(peer, TOPIC, NOW)
        scores.accepted({peer: NOW}, TOPIC, KIB, NOW)
        scores.disconnected(peer, NOW)
    assert [held for held in vars(scores).values() if isinstance(held, dict)] == [{}, {}, {}]
    assert scores.retained == 0


def test_bad_deeds_of_who_left_are_remembered_from_the_time_that_was_told_last() -> None:
    scores = PeerScores(P)
    scores.connected(ANN, "", NOW)
    scores.disconnected(ANN, NOW)
    scores.rejected([ANN], TOPIC)
    scores.refresh(NOW + 100 * SECOND)
    scores.misbehaved(BOB)
    scores.refresh(NOW + P.retain_ms - SECOND)
    assert (scores.of(ANN), scores.of(BOB)) == (-100.0, -10.0)
    scores.refresh(NOW + P.retain_ms + 99 * SECOND)
    assert (scores.of(ANN), scores.of(BOB)) == (0.0, -10.0)


def test_a_verdict_that_comes_after_the_sender_left_still_counts() -> None:
    scores = scores_of(ANN)
    scores.disconnected(ANN, NOW)
    scores.rejected([ANN], TOPIC)
    scores.misbehaved(BOB)
    scores.connected(ANN, "", NOW + 1)
    assert (scores.of(ANN), scores.of(BOB)) == (-100.0, -10.0)


def test_a_restart_remembers_a_bad_score_as_behaviour() -> None:
    scores = scores_of()
    scores.restore(ANN, -1_234_567, NOW)
    assert scores.of(ANN) == pytest.approx(-1_234.567)
    scores.connected(ANN, "", NOW)
    assert scores.parts(ANN).behaviour == pytest.approx(-1_234.567)


def test_a_restart_remembers_a_bad_score_beyond_the_threshold_of_behaviour() -> None:
    scores = scores_of(parameters=replace(P, behaviour_threshold=6.0))
    scores.restore(ANN, -40_000, NOW)
    assert scores.of(ANN) == pytest.approx(-40.0)


@pytest.mark.parametrize("milli", [0, 5_000])
def test_a_restart_remembers_no_good_score(milli: int) -> None:
    scores = scores_of()
    scores.restore(ANN, milli, NOW)
    assert (scores.of(ANN), scores.retained) == (0.0, 0)


def test_what_is_restored_is_not_added_to_what_is_known() -> None:
    scores = scores_of(ANN)
    scores.misbehaved(ANN, 3.0)
    scores.restore(ANN, -40_000, NOW)
    assert scores.of(ANN) == -90.0


def test_without_a_penalty_on_behaviour_nothing_can_be_restored() -> None:
    scores = scores_of(parameters=replace(P, behaviour_weight=0.0))
    scores.restore(ANN, -40_000, NOW)
    assert (scores.of(ANN), scores.retained) == (0.0, 0)


# The bound on memory


def leave_behind(scores: PeerScores, peer: bytes, invalid: int, host: str) -> None:
    scores.connected(peer, host, NOW)
    for _ in range(invalid):
        scores.rejected([peer], TOPIC)
    scores.disconnected(peer, NOW)


def test_the_least_bad_is_forgotten_first() -> None:
    scores = scores_of(parameters=replace(P, max_retained=2))
    for peer, invalid in ((ANN, 2), (BOB, 1), (CID, 3)):
        leave_behind(scores, peer, invalid, peer.decode())
    assert [scores.of(peer) for peer in (ANN, BOB, CID)] == [-400.0, 0.0, -900.0]


def test_a_newcomer_that_is_the_least_bad_is_the_one_that_is_forgotten() -> None:
    scores = scores_of(parameters=replace(P, max_retained=1))
    leave_behind(scores, ANN, 2, "")
    scores.misbehaved(BOB)
    assert (scores.of(ANN), scores.of(BOB), scores.retained) == (-400.0, 0.0, 1)


def test_no_crowd_however_bad_pushes_a_graylisted_peer_out_of_memory() -> None:
    scores = scores_of(parameters=replace(P, max_retained=10))
    leave_behind(scores, ANN, 10, "192.0.2.1")
    for number in range(100):
        leave_behind(scores, bytes((number,)), 50, f"198.51.100.{number}")
    assert (scores.of(ANN), scores.retained) == (-10_000.0, 10)


def test_a_host_with_many_identities_leaves_room_for_the_memory_of_others() -> None:
    scores = scores_of(parameters=replace(P, max_retained=10))
    for number in range(100):
        leave_behind(scores, bytes((number,)), 50, "198.51.100.1")
    leave_behind(scores, ANN, 10, "192.0.2.1")
    for number in range(100, 200):
        leave_behind(scores, bytes((number,)), 50, "198.51.100.1")
    assert (scores.of(ANN), scores.retained) == (-10_000.0, 10)
