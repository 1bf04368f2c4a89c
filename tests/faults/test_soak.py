"""The soak's arithmetic, and a soak of seconds: every process is found and sampled, and a leak would be seen."""

from pathlib import Path
from random import Random

import pytest

from faults.soak import BOUND_MB_AN_HOUR, Samples, slope, soak, write_report


def test_the_slope_is_that_of_the_line_whatever_a_few_samples_say() -> None:
    at_s = [5.0 * n for n in range(100)]
    line = [80 + each / 3600 * 7 for each in at_s]
    assert slope(at_s, line) == pytest.approx(7)
    line[10], line[50] = 300, 0
    assert slope(at_s, line) == pytest.approx(7, abs=0.2)
    assert slope(at_s[:1], line[:1]) == 0


def test_what_grows_is_told_from_what_only_warmed_up() -> None:
    samples = Samples()
    for n in range(240):
        at_s = 5.0 * n
        samples.take(at_s, {"warm": 100 + min(n, 90) / 3, "leak": 100 + at_s / 3600 * 2})
    assert samples.slopes()["warm"] == 0
    assert samples.slopes()["leak"] > BOUND_MB_AN_HOUR


@pytest.mark.integration
@pytest.mark.long
async def test_a_soak_of_seconds_samples_every_process_of_both_nodes(tmp_path: Path, rng: Random) -> None:
    samples = await soak(tmp_path, 0.02, rng)
    parts = {f"{node} {part}" for node in ("first", "second") for part in ("main", "gossip", "verifying")}
    assert samples.resident_mb.keys() == parts
    assert all(min(values) > 5 for values in samples.resident_mb.values())
    path = write_report(7, samples, tmp_path / "reports")
    assert path.exists() and path.with_suffix(".png").exists()
