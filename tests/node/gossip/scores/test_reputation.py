from dataclasses import replace

from pushmesh_node.gossip.scores.reputation import Reputation, TopicDeeds
from support.scored import ANN, CONTROL, NOW, SECOND, TOPIC, P, scores_of


def test_topics_beyond_so_many_are_counted_together() -> None:
    held = Reputation()
    for topic in (TOPIC, CONTROL, "/made-up/1", "/made-up/2"):
        held.at(topic, 2).invalid += 1
    assert {name: deeds.invalid for name, deeds in held.topics.items()} == {TOPIC: 1, CONTROL: 1, "": 2}
    assert held.at(CONTROL, 2) is held.topics[CONTROL]


def test_only_bad_deeds_are_left_when_the_good_ones_are_forgotten() -> None:
    good_and_bad = TopicDeeds(grafted_ms=NOW, mesh_ms=9, delivered_kib=2.0, invalid=3.0)
    held = Reputation(topics={TOPIC: good_and_bad, CONTROL: TopicDeeds(delivered_kib=2.0)}, score=-898.0)
    assert held.forget_good()
    assert held == Reputation(topics={TOPIC: TopicDeeds(invalid=3.0)})


def test_bad_behaviour_alone_is_something_and_good_deeds_alone_are_nothing() -> None:
    assert Reputation(behaviour=0.1).forget_good()
    assert not Reputation(topics={TOPIC: TopicDeeds(grafted_ms=NOW, delivered_kib=2.0)}).forget_good()


def test_counters_decay_by_so_many_steps_and_the_time_in_the_mesh_does_not() -> None:
    held = Reputation(behaviour=1.0, topics={TOPIC: TopicDeeds(NOW, 9, delivered_kib=8.0, invalid=4.0)}, score=1.0)
    held.decay(replace(P, behaviour_decay=0.25), 2)
    assert held == Reputation(behaviour=0.0625, topics={TOPIC: TopicDeeds(NOW, 9, delivered_kib=2.0, invalid=1.0)})


def test_a_topic_of_which_nothing_is_left_is_forgotten_unless_the_peer_is_in_its_mesh() -> None:
    held = Reputation(topics={TOPIC: TopicDeeds(grafted_ms=NOW), CONTROL: TopicDeeds(delivered_kib=0.02)})
    held.decay(P, 1)
    assert held == Reputation(topics={TOPIC: TopicDeeds(grafted_ms=NOW)})


def test_what_decayed_makes_room_for_other_topics() -> None:
    scores = scores_of(ANN, parameters=replace(P, max_topics=1))
    scores.rejected([ANN], TOPIC)
    scores.refresh(NOW + 8 * 12 * SECOND)
    scores.rejected([ANN], CONTROL)
    scores.rejected([ANN], "/control/topic")
    assert scores.of(ANN) == -200.0  # apart; in one place they were -400
