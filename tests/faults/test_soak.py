"""The soak's arithmetic, and a soak of seconds: every process is found and sampled, and a leak would be seen."""

from pathlib import Path
from random import Random

import msgspec
import pytest

from faults.soak import BOUND_MB_AN_HOUR, Samples, growth, soak, write_report


def test_the_slope_is_that_of_the_line_whatever_a_few_samples_say() -> None:
    at_s = [5.0 * n for n in range(100)]
    line = [80 + each / 3600 * 7 for each in at_s]
    assert growth(at_s, line).slope == pytest.approx(7)
    line[10], line[50] = 300, 0
    found = growth(at_s, line)
    assert found.slope == pytest.approx(7, abs=0.2)
    assert found.low <= found.slope <= found.high
    assert (found.start_mb, found.end_mb) == pytest.approx((80.05, 80.91), abs=0.02)


def test_the_bounds_of_a_slope_hold_it_and_are_as_wide_as_its_samples_are_noisy(rng: Random) -> None:
    at_s = [5.0 * n for n in range(240)]
    widths = []
    for noise in (0.1, 1.0):
        found = growth(at_s, [80 + each / 3600 * 7 + rng.uniform(-noise, noise) for each in at_s])
        assert found.low - noise < 7 < found.high + noise
        widths.append(found.high - found.low)
    assert widths[1] > 5 * widths[0] > 0


def test_what_grows_is_told_from_what_only_warmed_up() -> None:
    samples = Samples(450)
    for n in range(240):
        at_s = 5.0 * n
        samples.take(at_s, {"warm": 100 + min(n, 90) / 3, "leak": 100 + at_s / 3600 * 2})
    found = samples.growths()
    assert found["warm"].slope == 0
    assert found["warm"].start_mb == found["warm"].end_mb == 130
    assert samples.worst == found["leak"].slope > BOUND_MB_AN_HOUR


@pytest.mark.integration
@pytest.mark.long
async def test_a_soak_of_seconds_samples_every_process_of_both_nodes(tmp_path: Path, rng: Random) -> None:
    samples = await soak(tmp_path, 0.3, rng, warm_up_minutes=0.02, envelopes=1_000)
    parts = {f"{node} {part}" for node in ("first", "second") for part in ("main", "gossip", "verifying")}
    assert samples.resident_mb.keys() == parts
    assert all(min(values) > 5 for values in samples.resident_mb.values())
    path = write_report(7, samples, tmp_path / "reports")
    assert path.with_suffix(".png").exists()
    report = msgspec.json.decode(path.read_bytes())
    assert report["processes"].keys() == parts
    assert all(row["end_mb"] > 5 and "slope_mb_per_hour" in row for row in report["processes"].values())
