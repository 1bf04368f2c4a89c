import asyncio
from pathlib import Path

import pytest

from pushmesh_node.cli import bench_words as words
from pushmesh_node.lab.bench_ingest import IngestPlan, _bench
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.worker import Worker
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job, stream_messages
from support.commands import pushmesh

pytestmark = pytest.mark.integration
KEYS = {"rate", "limit_rate", "ratio", "lower_bound_rate", "load_us", "p50_ms", "p99_ms", "rows"}


@pytest.mark.parametrize("kind", [("--window", "8"), ("--batch", "64")])
async def test_a_small_measurement_has_every_figure(tmp_path: Path, kind: tuple[str, str]) -> None:
    options = ("--rounds", "1", "--seconds", "0.2", "--wallets", "10", *kind, "--json")
    report = (await pushmesh("bench", "ingest", *options, cwd=tmp_path)).json
    assert set(report) == KEYS
    assert all(value > 0 for value in report.values())
    assert report["rows"] > 10
    assert list(words.ingest(report))


async def test_an_envelope_that_is_not_taken_fails_the_measurement(tmp_path: Path) -> None:
    bound = await Worker.start("pushmesh_node.lab.lower_bound", str(tmp_path))
    try:
        port = int((await bound.answer())["port"])
        bench = await _bench("127.0.0.1", port, "none", IngestPlan(4, 0, 1, 1, 1))
        authors = new_authors(1)
        (job,) = plan_jobs(authors, "bench", 20, 0, authors.wallets[0].account)
        frames = await asyncio.to_thread(sign_job, job)
        good, twice = tmp_path / "good", tmp_path / "twice"
        good.write_bytes(stream_messages(frames[:10]))
        twice.write_bytes(stream_messages(frames[5:15]))
        played = await bench.play(good)
        assert len(played.latencies_ms) == 10
        with pytest.raises(LabError, match="5 different"):
            await bench.play(twice)
        await bench.stop()
    finally:
        await bound.stop()
