from pathlib import Path

import pytest

from pushmesh_node.lab.bench_fanout import FanoutPlan, FanoutRound, Slice, measure_fanout, report_of


def test_ratios_are_taken_within_each_round_and_the_middle_one_is_told() -> None:
    rounds = [
        a_round((100.0, 5.0, 2.0), (200.0, 3.0, 1.5), (500.0, 1.0, 0.5), (1_000.0, 0.5, 0.25)),
        a_round((10.0, 6.0, 3.0), (10.0, 2.0, 1.0), (30.0, 2.0, 0.25), (30.0, 1.0, 0.5)),
        a_round((300.0, 4.0, 1.0), (400.0, 4.0, 2.0), (1_200.0, 1.5, 1.0), (1_600.0, 0.25, 1.0)),
    ]
    assert report_of(rounds, 8.125) == {
        "rate": 100,
        "limit_rate": 200,
        "ratio": 0.75,
        "batched_rate": 500,
        "batched_speedup": 4.0,
        "limit_batched_rate": 1_000,
        "limit_batched_speedup": 4.0,
        "batched_ratio": 0.75,
        "cpu_us": 5.0,
        "client_cpu_us": 2.0,
        "batched_cpu_us": 1.5,
        "batched_client_cpu_us": 0.5,
        "limit_cpu_us": 3.0,
        "limit_client_cpu_us": 1.5,
        "limit_batched_cpu_us": 0.5,
        "limit_batched_client_cpu_us": 0.5,
        "kb_per_connection": 8.12,
    }


def a_round(*slices: tuple[float, float, float]) -> FanoutRound:
    return FanoutRound(*(Slice(*each) for each in slices))


@pytest.mark.integration
async def test_a_small_fan_out_delivers_and_acknowledges_everything(tmp_path: Path) -> None:
    report = await measure_fanout(tmp_path, FanoutPlan(subscribers=20, publishes=40, rounds=1))
    assert report["rate"] > 0 and report["limit_rate"] > 0
    assert report["ratio"] > 0 and report["batched_speedup"] > 0
    assert report["batched_ratio"] > 0 and report["limit_batched_speedup"] > 0
    assert all([report[key] > 0 for key in report if key.endswith("cpu_us")])
