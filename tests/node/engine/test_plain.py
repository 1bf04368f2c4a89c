from pushmesh_node.engine.plain import PlainSubscribers
from pushmesh_protocol.accounts import Topic
from support.envelopes import ALICE, BOB, CAROL

NEWS, ALERTS = Topic(ALICE, "news"), Topic(ALICE, "alerts")


def test_who_was_put_is_one_of_its_topic_until_it_is_dropped_or_its_end_comes() -> None:
    plain = PlainSubscribers()
    plain.put(NEWS, BOB, 10)
    plain.put(NEWS, CAROL, 20)
    assert (set(plain.at(NEWS, 9)), set(plain.at(ALERTS, 9))) == ({BOB, CAROL}, set())
    assert set(plain.at(NEWS, 10)) == {CAROL}
    assert set(plain.at(NEWS, 9)) == {CAROL}  # its older words are for the curator
    assert set(plain.at(NEWS, 20)) == set()
    plain.put(NEWS, CAROL, 30)
    plain.drop(NEWS, CAROL)
    plain.drop(NEWS, CAROL)
    assert set(plain.at(NEWS, 20)) == set()


def test_a_newer_word_moves_the_end_both_ways() -> None:
    plain = PlainSubscribers()
    plain.put(NEWS, BOB, 10)
    plain.put(NEWS, BOB, 30)
    assert set(plain.at(NEWS, 10)) == {BOB}
    plain.put(NEWS, BOB, 15)
    assert set(plain.at(NEWS, 14)) == {BOB}
    assert set(plain.at(NEWS, 15)) == set()
