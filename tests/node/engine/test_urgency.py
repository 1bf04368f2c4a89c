from random import Random

from pushmesh_node.engine.events import Due
from pushmesh_node.engine.urgency import urgent_first
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs
from support.bodies import a_network
from support.envelopes import ALICE, NOW, a_note

NETWORK = a_network()
TOPICS = [Topic(ALICE, name) for name in ("one", "two", "three")]


def due(number: int, topic: Topic, priority: int) -> Due:
    return number, UnixMs(NOW), (a_note(NETWORK, number, topic=topic, priority=priority), 0), False


def test_what_is_urgent_goes_first_and_takes_what_stood_before_it_in_its_topic_along() -> None:
    one, two, three = TOPICS
    entries = [due(1, one, 3), due(2, two, 1), due(3, two, 4), due(4, one, 2), due(5, three, 5), due(6, two, 3)]
    gone: Due = (7, UnixMs(NOW), None, False)
    assert [entry[0] for entry in urgent_first([*entries, gone])] == [2, 3, 5, 1, 4, 6, 7]


def test_the_order_within_a_topic_stays_and_nothing_is_lost(rng: Random) -> None:
    for _ in range(50):
        entries = [due(n, rng.choice(TOPICS), rng.randint(1, 5)) for n in range(1, rng.randint(2, 12))]
        ordered = urgent_first(entries)
        assert sorted(entry[0] for entry in ordered) == [entry[0] for entry in entries]
        for topic in TOPICS:
            mine = [entry[0] for entry in ordered if entry[2] and entry[2][0].envelopes[0].topic == topic]
            assert mine == sorted(mine)
