import os
from pathlib import Path

import pytest

from pushmesh_node.cli import bench_words as words
from pushmesh_node.lab.bench_ack import SYNCS, bare_syncs, report_of
from support.commands import pushmesh


def test_the_bound_is_twenty_milliseconds_or_twenty_syncs_whichever_is_more() -> None:
    assert report_of(1, [19.0] * 100, [0.1])["bound_ms"] == 20.0
    slow = report_of(1, [39.0] * 100, [2.0])
    assert (slow["bound_ms"], slow["within_bound"], slow["p99_ms"]) == (40.0, 1, 39.0)
    assert report_of(1, [1.0] * 98 + [50.0] * 2, [2.0])["within_bound"] == 0


def test_a_slice_of_syncs_leaves_nothing(tmp_path: Path) -> None:
    found = bare_syncs(tmp_path)
    assert len(found) == SYNCS
    assert min(found) > 0
    assert os.listdir(tmp_path) == []


@pytest.mark.integration
async def test_every_notification_of_every_slice_is_acknowledged(tmp_path: Path) -> None:
    options = ("--rate", "300", "--seconds", "0.5", "--rounds", "2", "--wallets", "5", "--json")
    report = (await pushmesh("bench", "ack", *options, cwd=tmp_path)).json
    assert (report["rate"], report["acknowledged"]) == (300, 300)
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["max_ms"]
    assert list(words.ack(report))
