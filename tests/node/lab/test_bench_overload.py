from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.lab.bench_overload import CALM, OverloadPlan, measure_overload, recovery_s, report_of
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.probe import Single

PLAN = OverloadPlan(times=5.0, seconds=2.0, publishers=2, wallets=1)


def single(at_s: float, durable_ms: float = 5.0, reason: str = "ok") -> Single:
    return at_s, reason, durable_ms, durable_ms + 1, 2.0


def a_flood(**changes: Any) -> dict[str, Any]:
    taken = [[11.0, 100.0]] * 150 + [[12.5, 900.0]] * 50
    done: dict[str, Any] = {
        "began_s": 10.0,
        "flooded_s": 12.0,
        "sent": 1_000,
        "cpu_s": 0.5,
        "answers": {"durable:ok": 200, "refused:rate-limited": 800},
        "without_retry": 0,
        "unanswered": 0,
        "taken_ms": taken,
        "refused_ms": [3.0] * 800,
        "shares": [80, 120],
    }
    return done | changes


def test_the_figures_are_of_the_flood_and_of_the_quiet_one_before_it_and_in_it() -> None:
    before = [single(5.0 + number / 10) for number in range(20)]
    during = [single(10.5, 50.0), single(11.0, 0.0, "rate-limited")]
    after = [single(12.0, 400.0)] + [single(12.5 + number / 10) for number in range(CALM)]
    report = report_of(PLAN, 100.0, a_flood(), [*before, *during, *after])
    assert (report["offered_rate"], report["offered_times"]) == (500.0, 5.0)
    assert (report["accepted_rate"], report["accepted_share"], report["refused_rate"]) == (75.0, 0.75, 400.0)
    assert (report["accepted_p50_ms"], report["accepted_p99_ms"]) == (100.0, 900.0)
    assert (report["least_share"], report["generator_cpu"]) == (0.8, 0.25)
    assert (report["quiet_refused"], report["quiet_p99_ms"], report["delivered_p99_ms"]) == (1, 50.0, 51.0)
    assert (report["before_p99_ms"], report["recovery_s"]) == (5.0, 0.505)


def test_recovered_is_who_keeps_the_bound_for_a_while() -> None:
    late = [single(12.0 + number, 5.0 if number % CALM else 50.0) for number in range(2 * CALM)]
    calm = [single(50.0 + number) for number in range(CALM)]
    assert recovery_s([*late, *calm], 12.0, 5.0) == pytest.approx(12.0 + 2 * CALM - (CALM - 1) + 0.005 - 12.0)
    with pytest.raises(LabError, match="did not come back"):
        recovery_s(late[:CALM], 12.0, 5.0)
    refused = [single(12.0 + number, 1.0, "rate-limited") for number in range(CALM)]
    with pytest.raises(LabError, match="did not come back"):
        recovery_s(refused, 12.0, 5.0)


@pytest.mark.integration
async def test_a_flood_of_a_real_node_loses_nothing_and_is_over(tmp_path: Path) -> None:
    plan = OverloadPlan(times=5.0, seconds=1.0, publishers=4, wallets=5, rounds=1, spare=4_096, before_s=2.0)
    report = await measure_overload(tmp_path, plan)
    assert (report["lost"], report["refused_without_retry_after"]) == (0, 0)
    assert report["offered_times"] > 1 and report["accepted_rate"] > 0 < report["refused_rate"]
    assert report["rss_mb"] > 0
