from collections.abc import Callable
from pathlib import Path

import pytest

from pushmesh_node.cli import bench_words as words
from pushmesh_node.lab.bench_mqtt import Round, report_of
from support.commands import pushmesh

KINDS = ("", "mosquitto_", "own_topics_", "batched_", "mosquitto_batched_", "own_topics_batched_")


def test_ratios_are_of_rounds_that_stood_side_by_side() -> None:
    found = {name: [Round(10.0, 2.0, 3.0), Round(40.0, 4.0, 5.0), Round(50.0, 4.0, 5.0)] for name in KINDS}
    found["mosquitto_"] = [Round(20.0, 1.0, 3.0), Round(50.0, 1.0, 3.0), Round(50.0, 1.0, 3.0)]
    report = report_of(found)
    assert (report["rate"], report["mosquitto_rate"], report["ratio"]) == (40.0, 50.0, 0.8)
    assert (report["batched_ratio"], report["own_topics_ratio"]) == (1.0, 1.0)
    assert (report["cpu_us"], report["mosquitto_cpu_us"], report["client_cpu_us"]) == (4.0, 1.0, 3.0)


@pytest.mark.integration
async def test_every_client_of_both_sides_gets_every_message_once(
    tmp_path: Path, requires: Callable[[str], Path]
) -> None:
    requires("mosquitto")
    options = ("--subscribers", "20", "--rounds", "1", "--turns", "20", "--messages", "60", "--json")
    report = (await pushmesh("bench", "mqtt", *options, cwd=tmp_path, timeout_s=110)).json
    assert all(report[f"{name}rate"] > 0 for name in KINDS)
    assert report["ratio"] == pytest.approx(report["rate"] / report["mosquitto_rate"], rel=0.01)
    assert list(words.mqtt(report))
