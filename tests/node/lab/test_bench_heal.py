from pathlib import Path

import pytest

from pushmesh_node.lab.bench_heal import HealPlan, measure_heal


@pytest.mark.integration
async def test_a_node_heals_from_batches_and_single_envelopes_while_it_serves(tmp_path: Path) -> None:
    report = await measure_heal(tmp_path, HealPlan(2_000, 0.9, 20, live_s=3.0))
    print(report)
    assert report["envelopes"] == 1_992 or report["envelopes"] == 2_000
    assert 0 < report["ready_s"] < report["seconds"]
    assert report["rate"] > 0 and report["ratio"] > 0
    assert report["bound_rate"] > 0 and report["cpu_s"] > 0 and report["giver_cpu_s"] >= 0
    assert report["live_published"] > 0 and report["live_delivered"] > 0
    assert 0 < report["publish_p50_ms"] <= report["publish_p99_ms"]
    assert 0 < report["deliver_p50_ms"] <= report["deliver_p99_ms"]
