from pushmesh_node.ipc import Stats
from pushmesh_node.peer.stats import Counters


def test_increments_are_handed_over_once_with_the_gauges() -> None:
    counters = Counters()
    counters.add("b")
    counters.add("a", "x", 2)
    counters.add("a", "x")
    assert counters.drain([("g", "", 7)]) == Stats([("a", "x", 3), ("b", "", 1)], [("g", "", 7)])
    assert counters.drain([]) == Stats([], [])
