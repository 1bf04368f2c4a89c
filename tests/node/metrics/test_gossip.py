import ast
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from pushmesh_node.metrics.gossip import GOSSIP_COUNTERS, GOSSIP_GAUGES, GossipStats
from support.tree import ROOT, repository_files

ROOMS = (ROOT / "node/pushmesh_node/gossip", ROOT / "node/pushmesh_node/peer")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def stats(registry: CollectorRegistry) -> GossipStats:
    return GossipStats(registry)


def names_in_code() -> Iterator[tuple[str, str]]:
    """(place, name) of each counter that the gossip process names in `Count("x", ...)`, `_counters.add("x", ...)` or
    `count("x", ...)`."""
    for path in repository_files(".py"):
        if not any(path.is_relative_to(room) for room in ROOMS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _counts(node.func) and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", name.value


def _counts(function: ast.expr) -> bool:
    match function:
        case ast.Name(id="Count"):
            return True
        case ast.Attribute(attr="add", value=ast.Attribute(attr="_counters")):
            return True
        case ast.Name(id="count") | ast.Attribute(attr="count" | "_count"):
            return True
    return False


def test_every_counter_of_the_gossip_process_has_its_metric() -> None:
    named = list(names_in_code())
    assert len(named) > 10
    assert [f"{place}: {name}" for place, name in named if name not in GOSSIP_COUNTERS] == []


def test_increments_add_up_under_their_label(registry: CollectorRegistry, stats: GossipStats) -> None:
    stats.take(
        [("frames_ignored", "duplicate", 2), ("bytes_in", "", 10), ("frames_published", "", 1)], [("peers", "", 3)]
    )
    stats.take([("frames_ignored", "duplicate", 1), ("bytes_in", "", 5)], [("peers", "", 2)])

    assert registry.get_sample_value("pushmesh_gossip_frames_ignored_total", {"reason": "duplicate"}) == 3
    assert registry.get_sample_value("pushmesh_gossip_received_bytes_total") == 15
    assert registry.get_sample_value("pushmesh_gossip_frames_published_total", {"result": "ok"}) == 1
    assert registry.get_sample_value("pushmesh_gossip_connected_peers") == 2


def test_an_undeclared_name_is_counted_and_harms_nothing(registry: CollectorRegistry, stats: GossipStats) -> None:
    stats.take([("surprise", "x", 4)], [("surprise", "", 1)])
    assert registry.get_sample_value("pushmesh_gossip_undeclared_total") == 4


@pytest.mark.parametrize("label", ["Upper", "a b", '"', "x" * 41, "a\n"])
def test_an_odd_label_becomes_other(registry: CollectorRegistry, stats: GossipStats, label: str) -> None:
    stats.take([("frames_ignored", label, 1)], [])
    assert registry.get_sample_value("pushmesh_gossip_frames_ignored_total", {"reason": "other"}) == 1


def test_labels_are_bounded_in_number_and_none_is_lost(registry: CollectorRegistry, stats: GossipStats) -> None:
    stats.take([("frames_ignored", f"reason-{n}", 1) for n in range(1_000)], [])
    (family,) = [family for family in registry.collect() if family.name == "pushmesh_gossip_frames_ignored"]
    assert len(family.samples) == 65
    assert sum(sample.value for sample in family.samples) == 1_000


def test_no_two_counters_share_a_metric() -> None:
    assert len({suffix for suffix, _, _ in GOSSIP_COUNTERS.values()}) == len(GOSSIP_COUNTERS)
    assert len({suffix for suffix, _ in GOSSIP_GAUGES.values()}) == len(GOSSIP_GAUGES)
