from pushmesh_node.storage.sets import CONTROL_SET, one_shard, set_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind
from support.records import NEWS


def five(topic: Topic) -> int:
    return 5


def test_what_rides_on_its_topics_shard_is_of_that_set() -> None:
    for kind in (Kind.SUBSCRIPTION, Kind.NOTIFICATION, Kind.RETRACTION):
        assert set_of(kind, NEWS, five) == 5
    assert set_of(Kind.NOTIFICATION, NEWS, one_shard) == 0


def test_control_kinds_are_of_one_set_with_a_topic_or_without() -> None:
    for kind in (Kind.TOPIC, Kind.GRANT, Kind.REVOCATION, Kind.NODE_BINDING):
        assert {set_of(kind, topic, five) for topic in (NEWS, None)} == {CONTROL_SET}
