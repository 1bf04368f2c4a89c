import pytest

from pushmesh_node.gossip.effects import Lane
from pushmesh_node.gossip.topics import is_priority, lane_of


@pytest.mark.parametrize(
    ("topic", "lane"),
    [
        ("/pushmesh/1/00ff/control/grant", Lane.PRIORITY),
        ("/pushmesh/1/00ff/shard/3", Lane.DATA),
        ("control", Lane.DATA),
        ("", Lane.DATA),
    ],
)
def test_control_topics_go_first(topic: str, lane: Lane) -> None:
    assert lane_of(topic) is lane and is_priority(topic) is (lane is Lane.PRIORITY)
