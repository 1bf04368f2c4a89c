import os
from itertools import pairwise
from pathlib import Path

from pushmesh_node.lab.bench_store import BATCHES, StorePlan, Traffic, measure_store
from pushmesh_node.storage.rows import check_records


def test_the_traffic_is_the_same_for_one_seed_and_valid() -> None:
    records = Traffic(1, 1_000).records(1, 50)
    check_records(records)
    other = Traffic(1, 1_000).records(1, 50)
    assert [record.ids for record in records] == [record.ids for record in other]
    assert [record.first_commit for record in records] == list(range(1, 51))
    steps = {second.issued_at - first.issued_at for first, second in pairwise(records)}
    assert steps == {86_400}


async def test_both_stores_are_measured_and_nothing_is_left_of_the_empty_ones(tmp_path: Path) -> None:
    report = await measure_store(tmp_path, StorePlan(4_096, 1))
    names = {f"{name}_{batch}" for name in ("empty_rate", "full_rate", "ratio") for batch in BATCHES}
    assert report.keys() == {"rows", "bytes_per_record", *names}
    assert all(value > 0 for value in report.values())
    assert not [name for name in os.listdir(tmp_path) if name.startswith("empty")]
