from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from pushmesh_node.gossip.parameters import MeshParameters, ScoreParameters
from pushmesh_node.gossip.scores.scoring import PeerScores, ScoreParts
from support.scored import ANN, BOB, CID, CONTROL, KIB, NOW, SECOND, TOPIC, P, crowd_at, scores_of, with_topic

# Nothing done


def test_a_peer_that_nothing_is_known_of_is_worth_nothing() -> None:
    assert (PeerScores(P).of(ANN), PeerScores(P).parts(ANN)) == (0.0, ScoreParts())


def test_an_idle_peer_stays_at_zero() -> None:
    scores = scores_of(ANN)
    scores.refresh(NOW + 3_600 * SECOND)
    assert scores.parts(ANN) == ScoreParts()


# P1: time in the mesh


def test_time_in_the_mesh_earns_a_hundredth_a_second() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.refresh(NOW + 250 * SECOND)
    assert scores.parts(ANN) == ScoreParts(time_in_mesh=2.5, total=2.5)


def test_time_in_the_mesh_is_capped() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.refresh(NOW + 1_000_000 * SECOND)
    assert scores.of(ANN) == 10.0


def test_by_default_time_alone_earns_less_than_what_a_full_mesh_asks_of_a_better_peer() -> None:
    scores = scores_of(ANN, parameters=ScoreParameters())
    scores.grafted(ANN, TOPIC, NOW)
    scores.refresh(NOW + 1_000_000 * SECOND)
    assert 0 < scores.of(ANN) < min(MeshParameters().displacing_points, P.opportunistic_graft_threshold)


def test_time_outside_the_mesh_earns_nothing() -> None:
    scores = scores_of(ANN)
    scores.refresh(NOW + 250 * SECOND)
    assert scores.of(ANN) == 0.0


def test_a_pruned_peer_loses_its_time_and_begins_anew() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.refresh(NOW + 250 * SECOND)
    scores.pruned(ANN, TOPIC, NOW + 250 * SECOND)
    assert scores.of(ANN) == 0.0
    scores.grafted(ANN, TOPIC, NOW + 300 * SECOND)
    scores.refresh(NOW + 350 * SECOND)
    assert scores.of(ANN) == 0.5


def test_a_second_graft_does_not_start_the_time_again() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.grafted(ANN, TOPIC, NOW + 100 * SECOND)
    scores.refresh(NOW + 100 * SECOND)
    assert scores.of(ANN) == 1.0


def test_time_in_many_meshes_earns_what_the_longest_does() -> None:
    scores = scores_of(ANN)
    scores.grafted(ANN, TOPIC, NOW)
    scores.grafted(ANN, CONTROL, NOW + 50 * SECOND)
    scores.refresh(NOW + 100 * SECOND)
    assert scores.of(ANN) == 1.0
    scores.pruned(ANN, TOPIC, NOW + 100 * SECOND)
    assert scores.of(ANN) == 0.5


# P2: first deliveries


def test_new_bytes_earn_a_point_for_each_kib() -> None:
    scores = scores_of(ANN)
    scores.accepted({ANN: NOW}, TOPIC, 3 * KIB + KIB // 2, NOW)
    assert scores.parts(ANN) == ScoreParts(first_deliveries=3.5, total=3.5)
    scores.accepted({ANN: NOW}, CONTROL, 1, NOW)
    assert scores.of(ANN) == 3.5 + 1 / KIB


def test_new_bytes_earn_no_more_than_the_cap() -> None:
    scores = scores_of(ANN)
    for _ in range(5):
        scores.accepted({ANN: NOW}, TOPIC, 64 * KIB, NOW)
    assert scores.of(ANN) == 10.0


def test_deliveries_halve_each_twelve_seconds_until_nothing_is_left() -> None:
    scores = scores_of(ANN)
    scores.accepted({ANN: NOW}, TOPIC, 8 * KIB, NOW)
    seen = []
    for number in range(1, 13):
        scores.refresh(NOW + number * 12 * SECOND)
        seen.append(scores.of(ANN))
    assert seen == [4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0, 0.0, 0.0]


def test_a_message_without_new_items_earns_nothing() -> None:
    scores = scores_of(ANN)
    scores.accepted({ANN: NOW}, TOPIC, 0, NOW)
    scores.accepted({}, TOPIC, KIB, NOW)
    assert scores.parts(ANN) == ScoreParts()


def test_copies_close_behind_the_first_share_alike_and_later_ones_get_nothing() -> None:
    scores = scores_of(ANN, BOB, CID)
    scores.accepted({ANN: NOW + 51, BOB: NOW, CID: NOW + 50}, TOPIC, 4 * KIB, NOW + 60)
    assert (scores.of(ANN), scores.of(BOB), scores.of(CID)) == (0.0, 2.0, 2.0)


def test_the_share_of_a_sender_that_left_is_nobodys() -> None:
    scores = scores_of(ANN, BOB)
    scores.disconnected(BOB, NOW)
    scores.accepted({ANN: NOW, BOB: NOW}, TOPIC, 4 * KIB, NOW)
    assert (scores.of(ANN), scores.of(BOB), scores.retained) == (2.0, 0.0, 0)


@given(st.integers(0, 1 << 20), st.lists(st.integers(0, 120), min_size=1, max_size=40))
def test_shares_are_equal_and_never_more_than_the_whole(new_bytes: int, delays_ms: list[int]) -> None:
    peers = [bytes((number,)) for number in range(len(delays_ms))]
    scores = scores_of(*peers, parameters=with_topic(first_deliveries_cap=1e9))
    scores.accepted(
        {peer: NOW + delay for peer, delay in zip(peers, delays_ms, strict=True)}, TOPIC, new_bytes, NOW + 120
    )
    shares = [scores.parts(peer).first_deliveries * KIB for peer in peers]
    given_to = [share for share in shares if share]
    assert all(share == int(share) for share in shares)  # whole bytes
    assert len(set(given_to)) <= 1
    assert new_bytes - len(peers) < sum(shares) <= new_bytes


# P3 and the cap of what is earned


def test_silence_in_the_mesh_costs_nothing() -> None:
    scores = scores_of(ANN, BOB)
    for peer in (ANN, BOB):
        scores.grafted(peer, TOPIC, NOW)
    for second in range(0, 3_600, 10):
        scores.accepted({ANN: NOW + second * SECOND}, TOPIC, 64 * KIB, NOW + second * SECOND)
        scores.refresh(NOW + second * SECOND)
    scores.pruned(BOB, TOPIC, NOW + 3_600 * SECOND)
    assert scores.of(BOB) == 0.0


def busy_in(topics: int) -> PeerScores:
    scores = scores_of(ANN)
    for number in range(topics):
        scores.accepted({ANN: NOW}, f"/shard/{number}", 10 * KIB, NOW)
    return scores


def test_all_topics_together_earn_no_more_than_their_cap() -> None:
    assert (busy_in(9).of(ANN), busy_in(10).of(ANN), busy_in(13).of(ANN)) == (90.0, 100.0, 100.0)


def test_what_was_earned_beyond_the_cap_pays_for_nothing_bad() -> None:
    scores = busy_in(13)
    scores.rejected([ANN], TOPIC)
    assert scores.parts(ANN) == ScoreParts(first_deliveries=130.0, invalid=-100.0, total=0.0)


def test_the_weight_of_the_topic_is_on_all_of_its_parts() -> None:
    scores = scores_of(ANN, parameters=with_topic(weight=0.5))
    scores.grafted(ANN, TOPIC, NOW)
    scores.refresh(NOW + 10 * SECOND)
    scores.accepted({ANN: NOW}, TOPIC, KIB, NOW)
    scores.rejected([ANN], TOPIC)
    assert scores.parts(ANN) == ScoreParts(0.05, 0.5, -50.0, total=-49.45)


# P4: invalid messages


@pytest.mark.parametrize(("count", "points"), [(1, -100.0), (2, -400.0), (3, -900.0), (10, -10_000.0)])
def test_invalid_messages_cost_their_squared_count(count: int, points: float) -> None:
    scores = scores_of(ANN)
    for _ in range(count):
        scores.rejected([ANN], TOPIC)
    assert scores.parts(ANN) == ScoreParts(invalid=points, total=points)


def test_ten_invalid_messages_reach_the_graylist_and_one_more_is_in_it() -> None:
    scores = scores_of(ANN)
    for _ in range(10):
        scores.rejected([ANN], TOPIC)
    assert scores.of(ANN) == P.graylist_threshold
    scores.rejected([ANN], TOPIC)
    assert scores.of(ANN) < P.graylist_threshold


def test_every_sender_of_an_invalid_message_pays_and_nobody_else() -> None:
    scores = scores_of(ANN, BOB, CID)
    scores.rejected(iter([ANN, BOB, ANN]), TOPIC)
    assert (scores.of(ANN), scores.of(BOB), scores.of(CID)) == (-100.0, -100.0, 0.0)


def test_invalid_messages_decay_to_zero() -> None:
    scores = scores_of(ANN)
    scores.rejected([ANN], TOPIC)
    scores.rejected([ANN], TOPIC)
    scores.refresh(NOW + 12 * SECOND)
    assert scores.of(ANN) == -100.0
    scores.refresh(NOW + 8 * 12 * SECOND)
    assert scores.parts(ANN) == ScoreParts()


def test_topics_that_a_peer_makes_up_take_no_memory_and_cost_more_together() -> None:
    scores = scores_of(ANN, parameters=replace(P, max_topics=3))
    for number in range(8):
        scores.rejected([ANN], f"/made-up/{number}")
    assert scores.of(ANN) == -100.0 * (1 + 1 + 1 + 25)


# P5: the node's own opinion


@pytest.mark.parametrize("milli", [12_500, -12_500])
def test_the_nodes_own_opinion_counts_until_the_next_one(milli: int) -> None:
    scores = scores_of(ANN)
    scores.set_app(ANN, milli)
    assert scores.parts(ANN) == ScoreParts(app=milli / 1_000, total=milli / 1_000)
    scores.refresh(NOW + 3_600 * SECOND)
    assert scores.of(ANN) == milli / 1_000
    scores.set_app(ANN, 0)
    assert scores.of(ANN) == 0.0


def test_the_nodes_own_opinion_may_come_first_and_outlives_the_connection() -> None:
    scores = scores_of()
    scores.set_app(ANN, 3_000)
    scores.connected(ANN, "", NOW)
    assert scores.of(ANN) == 3.0
    scores.disconnected(ANN, NOW)
    assert (scores.of(ANN), scores.retained) == (3.0, 0)


def test_opinions_on_absent_peers_are_bounded_and_those_on_present_ones_stay() -> None:
    scores = scores_of(ANN, parameters=replace(P, max_retained=2))
    for peer in (ANN, b"x", b"y", b"z"):
        scores.set_app(peer, 1_000)
    assert [scores.of(peer) for peer in (ANN, b"x", b"y", b"z")] == [1.0, 0.0, 0.0, 1.0]


def test_the_nodes_own_opinion_has_its_weight_on_strangers_too() -> None:
    scores = scores_of(ANN, parameters=replace(P, app_weight=2.0))
    for peer in (ANN, BOB):
        scores.set_app(peer, 1_500)
    assert (scores.of(ANN), scores.of(BOB)) == (3.0, 3.0)


# P6: peers of one address


@pytest.mark.parametrize(("size", "points"), [(1, 0.0), (5, 0.0), (6, -50.0), (7, -200.0), (20, -11_250.0)])
def test_peers_of_one_host_cost_the_squared_surplus_each(size: int, points: float) -> None:
    scores, peers = crowd_at("192.0.2.1", size)
    assert [scores.of(peer) for peer in peers] == [points] * size
    assert scores.parts(peers[0]) == ScoreParts(colocation=points, total=points)


def test_the_surplus_follows_the_connections() -> None:
    scores, peers = crowd_at("192.0.2.1", 6)
    assert scores.of(peers[0]) == -50.0
    scores.disconnected(peers[5], NOW)
    assert (scores.of(peers[0]), scores.of(peers[5]), scores.retained) == (0.0, 0.0, 0)
    scores.connected(peers[5], "192.0.2.1", NOW)
    assert scores.of(peers[0]) == -50.0


def test_peers_whose_host_is_unknown_count_alone() -> None:
    scores, peers = crowd_at("", 20)
    assert [scores.of(peer) for peer in peers] == [0.0] * 20
    strict = scores_of(ANN, parameters=replace(P, colocation_threshold=0))
    strict.connected(BOB, "192.0.2.1", NOW)
    assert (strict.of(ANN), strict.of(BOB)) == (0.0, -50.0)


def test_other_hosts_do_not_pay_for_a_crowd() -> None:
    scores, _ = crowd_at("192.0.2.1", 20)
    scores.connected(ANN, "192.0.2.2", NOW)
    assert scores.of(ANN) == 0.0


def test_a_peer_that_comes_from_elsewhere_counts_there_only() -> None:
    scores, peers = crowd_at("192.0.2.1", 6)
    scores.connected(peers[0], "192.0.2.2", NOW)
    assert [scores.of(peer) for peer in peers] == [0.0] * 6


# P7: behaviour


@pytest.mark.parametrize(("count", "points"), [(1.0, -10.0), (3.0, -90.0), (0.5, -2.5)])
def test_bad_behaviour_costs_its_squared_count(count: float, points: float) -> None:
    scores = scores_of(ANN)
    scores.misbehaved(ANN, count)
    assert scores.parts(ANN) == ScoreParts(behaviour=points, total=points)


def test_behaviour_up_to_the_threshold_is_free() -> None:
    scores = scores_of(ANN, parameters=replace(P, behaviour_threshold=6.0))
    scores.misbehaved(ANN, 6.0)
    assert scores.of(ANN) == 0.0
    scores.misbehaved(ANN, 2.0)
    assert scores.of(ANN) == -40.0


def test_bad_behaviour_decays_slowly_and_to_zero() -> None:
    scores = scores_of(ANN)
    scores.misbehaved(ANN, 10.0)
    scores.refresh(NOW + 12 * SECOND)
    assert scores.of(ANN) == pytest.approx(-10 * 9.86**2)
    scores.refresh(NOW + 7_200 * SECOND)
    assert scores.parts(ANN) == ScoreParts()


# All together


deeds = st.tuples(
    st.sampled_from(["graft", "prune", "deliver", "leave", "come", "time"]),
    st.sampled_from([ANN, BOB, CID]),
    st.integers(0, 30_000),
)


@given(st.lists(deeds, max_size=60))
def test_no_good_deed_and_no_idleness_ever_brings_a_score_below_zero(script: list[tuple[str, bytes, int]]) -> None:
    scores = scores_of(ANN, BOB, CID)
    now_ms = NOW
    for deed, peer, amount in script:
        match deed:
            case "graft":
                scores.grafted(peer, TOPIC, now_ms)
            case "prune":
                scores.pruned(peer, TOPIC, now_ms)
            case "deliver":
                scores.accepted({peer: now_ms}, TOPIC, amount, now_ms)
            case "leave":
                scores.disconnected(peer, now_ms)
            case "come":
                scores.connected(peer, "", now_ms)
            case "time":
                now_ms += amount
                scores.refresh(now_ms)
        assert all(0.0 <= scores.of(one) <= P.topic_score_cap for one in (ANN, BOB, CID))
