"""The bridge against bare aiomqtt, in small."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pushmesh_node.lab.bench_bridge import BridgePlan, measure_bridge

pytestmark = pytest.mark.integration


async def test_both_sides_get_all_messages_through_and_are_compared(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    requires("mosquitto")
    report = await measure_bridge(tmp_path, BridgePlan(messages=200, rounds=2, window=32))
    assert report.keys() == {"bridge_rate", "aiomqtt_rate", "bridge_ratio"}
    assert all(value > 0 for value in report.values())
