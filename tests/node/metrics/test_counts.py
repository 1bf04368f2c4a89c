import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pushmesh_node.metrics.counts import Counts


def text(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_counts_of_one_label_pair_add_up() -> None:
    registry = CollectorRegistry()
    counts = Counts(registry, "pushmesh_x", "Help.", queue=("a", "b"), reason=("full",))
    counts.add(2, "a", "full")
    counts.add(3, "a", "full")
    counts.add(1, "b", "full")
    assert text(registry) == [
        'pushmesh_x_total{queue="a",reason="full"} 5.0',
        'pushmesh_x_total{queue="b",reason="full"} 1.0',
    ]


def test_a_family_without_labels_begins_at_zero() -> None:
    registry = CollectorRegistry()
    counts = Counts(registry, "pushmesh_x", "Help.")
    assert text(registry) == ["pushmesh_x_total 0.0"]
    counts.add(7)
    assert text(registry) == ["pushmesh_x_total 7.0"]


@pytest.mark.parametrize("values", [("c",), ("a", "a"), ()])
def test_a_label_that_is_not_declared_is_our_fault_and_counts_nowhere(values: tuple[str, ...]) -> None:
    registry = CollectorRegistry()
    counts = Counts(registry, "pushmesh_x", "Help.", queue=("a", "b"))
    with pytest.raises(ValueError):
        counts.add(1, *values)
    assert text(registry) == []


def test_one_name_cannot_be_declared_twice() -> None:
    registry = CollectorRegistry()
    Counts(registry, "pushmesh_x", "Help.")
    with pytest.raises(ValueError, match="Duplicated"):
        Counts(registry, "pushmesh_x", "Help.")
