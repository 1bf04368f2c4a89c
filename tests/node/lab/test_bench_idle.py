from pathlib import Path

import pytest

from pushmesh_node.lab.bench_idle import IdlePlan, measure_idle


@pytest.mark.integration
async def test_idle_wallets_stay_connected_and_are_weighed(tmp_path: Path) -> None:
    report = await measure_idle(tmp_path, IdlePlan(connections=40, seconds=1.0))
    assert report["connections"] == 40
    assert report["fds"] > 40
    assert report["rss_mb"] > 10
    assert report["cpu_percent"] >= 0
