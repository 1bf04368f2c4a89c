from pathlib import Path

import pytest

from pushmesh_node.lab.bench_fanout import FanoutPlan, FanoutRound, measure_fanout, report_of


def test_ratios_are_taken_within_each_round_and_the_middle_one_is_told() -> None:
    rounds = [
        FanoutRound(100.0, 500.0, 200.0, 5.0, 1.0, 3.0),
        FanoutRound(10.0, 30.0, 10.0, 6.0, 2.0, 2.0),
        FanoutRound(300.0, 1_200.0, 400.0, 4.0, 1.5, 4.0),
    ]
    assert report_of(rounds, 8.125) == {
        "rate": 100,
        "limit_rate": 200,
        "ratio": 0.75,
        "batched_rate": 500,
        "batched_speedup": 4.0,
        "cpu_us": 5.0,
        "batched_cpu_us": 1.5,
        "limit_cpu_us": 3.0,
        "kb_per_connection": 8.12,
    }


@pytest.mark.integration
async def test_a_small_fan_out_delivers_and_acknowledges_everything(tmp_path: Path) -> None:
    report = await measure_fanout(tmp_path, FanoutPlan(subscribers=20, publishes=40, rounds=2))
    assert report["rate"] > 0 and report["limit_rate"] > 0
    assert report["ratio"] > 0 and report["batched_speedup"] > 0
