import pytest

from pushmesh_node.lab.bench_sync import SyncPlan, measure_sync
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.worker import Worker


def test_one_missing_record_is_the_askers_alone_and_more_are_missing_on_both_sides() -> None:
    one, more = SyncPlan(100, 1), SyncPlan(100, 7)
    assert (one.made, one.asker_lacks, one.asked_lacks) == (100, (0, 1), (1, 1))
    assert (more.made, more.asker_lacks, more.asked_lacks) == (107, (0, 7), (7, 14))


@pytest.mark.integration
async def test_two_processes_find_what_is_missing() -> None:
    report = await measure_sync(SyncPlan(20_000, 30))
    assert set(report) == {"round_trips", "bytes", "seconds", "cpu_s", "bytes_per_record"}
    assert 2 <= report["round_trips"] <= 3
    assert 60 * 32 < report["bytes"] < 60 * 2000
    assert report["bytes_per_record"] <= 80


@pytest.mark.integration
async def test_many_buckets_that_are_the_same_cost_one_round_trip() -> None:
    report = await measure_sync(SyncPlan(4000, 0, buckets=400))
    assert report["round_trips"] == 1
    assert report["bytes_per_bucket"] <= 34


@pytest.mark.integration
async def test_a_session_that_finds_something_else_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Worker.ask

    async def with_another_end(self: Worker, order: dict[str, object], timeout_s: float = 120.0) -> dict[str, object]:
        answer = await ask(self, order, timeout_s)
        return answer | {"found_all": False} if "end" in order else answer

    monkeypatch.setattr(Worker, "ask", with_another_end)
    with pytest.raises(LabError, match="did not find"):
        await measure_sync(SyncPlan(100, 3))
