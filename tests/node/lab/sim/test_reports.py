from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.lab.sim.churn import Churn
from pushmesh_node.lab.sim.partition import Partition
from pushmesh_node.lab.sim.plan import Figures
from pushmesh_node.lab.sim.propagation import Propagation
from pushmesh_node.lab.sim.reports import (
    attacks_report,
    churn_report,
    partition_report,
    propagation_report,
    sweep_report,
)
from pushmesh_node.lab.sim.siege import Siege

FIGURES = Figures(1.0, (100.0, 200.0, 300.0), 5.25, 0.2, 0.0, (1_000, 2_000))
RUN = Propagation(1_000, 6, Dialect.V1_2, FIGURES, 6.5, 61.237, 12_345)


def a_siege(name: str = "shout", **changes: object) -> Siege:
    values: dict[str, object] = {
        "delivered_fraction": 1.0,
        "p99_ms": 500.12345,
        "recovered_s": 3.0,
        "honest_penalties": 0,
        "bytes_per_item": 300.0,
        "carried_per_item": 250.0,
        "carried_all_per_item": 280.0,
        "honest_copies": 5.0,
        "foreign_copies": 12.0,
        "p99_all_ms": 400.0,
        "late": 0,
        "disagreements": 0,
        "sybil_links": 9,
        "wall_s": 8.0,
    }
    return Siege(name=name, **(values | changes))  # type: ignore[arg-type]  # each test sets what it means


def test_propagation_is_told_with_the_names_that_its_readers_know() -> None:
    report = propagation_report(RUN)
    known = ("nodes", "delivered_fraction", "p50_ms", "p99_ms", "bytes_ratio", "wall_s")
    assert {name: report[name] for name in known} == {
        "nodes": 1_000,
        "delivered_fraction": 1.0,
        "p50_ms": 200.0,
        "p99_ms": 300.0,
        "bytes_ratio": 5.25,
        "wall_s": 61.24,
    }
    assert sweep_report([RUN]) == {"sweep": [{"d": 6, **report}]}


def test_an_attack_is_compared_with_its_peace() -> None:
    peace = a_siege(
        "peace", bytes_per_item=200.0, carried_per_item=200.0, carried_all_per_item=200.0, honest_copies=4.0
    )
    report = attacks_report([a_siege()], [peace], 1.0)
    assert report["scenarios"] == [
        {
            "name": "shout",
            "delivered_fraction": 1.0,
            "p99_ms": 500.123,
            "recovered_s": 3.0,
            "honest_penalties": 0,
            "bytes_ratio": 1.25,
            "carried_ratio": 1.4,
            "foreign_ratio": 3.0,
            "received_ratio": 1.5,
            "disagreements": 0,
        }
    ]


def test_an_attacker_without_items_of_its_own_costs_nothing_for_them() -> None:
    (scenario,) = attacks_report([a_siege(foreign_copies=None)], [a_siege()], 1.0)["scenarios"]
    assert scenario["foreign_ratio"] is None


def test_what_never_recovered_or_healed_says_so() -> None:
    report = attacks_report([a_siege(recovered_s=None)], [a_siege()], 1.0)
    assert report["scenarios"][0]["recovered_s"] is None
    assert partition_report(Partition(8, None, 0, FIGURES, 1.0))["healed_s"] is None
    assert partition_report(Partition(8, 12.34567, 0, FIGURES, 1.0))["healed_s"] == 12.346


def test_churn_tells_who_left_and_who_came() -> None:
    report = churn_report(Churn(8, 5, 2, 0.125, FIGURES, 1.0))
    assert (report["departures"], report["newcomers"], report["away_fraction"]) == (5, 2, 0.125)
