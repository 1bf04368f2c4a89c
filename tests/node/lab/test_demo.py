from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_node.lab.demo import Report
from support.commands import pushmesh

GOOD = Report(3, 219, 299, 299, 0, 299, 3, 3, 1.234, 5.678)


@pytest.mark.integration
async def test_the_demonstration_delivers_everything_once(tmp_path: Path) -> None:
    ran = await pushmesh("demo", cwd=tmp_path)
    assert ran.code == 0, ran
    report = ran.json
    assert list(report) == [
        *("nodes", "published", "expected", "delivered", "duplicates", "vouchered", "held", "p50_ms", "p99_ms")
    ]
    assert len(ran.out.splitlines()) == 1
    assert (report["nodes"], report["duplicates"], report["held"]) == (3, 0, 3)
    assert report["expected"] == report["delivered"] == report["vouchered"] > 200
    assert "SIGKILL" in ran.err


def test_a_report_passes_only_when_nothing_is_wrong() -> None:
    assert GOOD.passed
    assert GOOD.document()["p50_ms"] == 1.2
    for change, word in [
        ({"delivered": 298}, "298 of 299"),
        ({"duplicates": 1}, "twice"),
        ({"vouchered": 298}, "vouchered"),
        ({"held": 2}, "held back"),
    ]:
        broken = replace(GOOD, **change)
        assert not broken.passed
        assert word in broken.failure()
