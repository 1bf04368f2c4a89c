"""Which images a crash may leave: all that was synced, any part of the rest, and nothing else."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from faults.disk import _HEAD as HEAD, Change, Disk, Operation, Survival, read_log

MANY = 300


def change(operation: Operation, name: str = "db", offset: int = 0, data: bytes = b"") -> Change:
    return Change(operation, name, offset, data, 0)


def written(data: bytes, offset: int = 0, name: str = "db") -> Change:
    return change(Operation.WRITE, name, offset, data)


CREATED = change(Operation.CREATE)
SYNCED = change(Operation.SYNC)
FOLDER_SYNCED = change(Operation.SYNC_FOLDER, "")


def images(changes: list[Change], survival: Survival, start: dict[str, bytes] | None = None) -> list[dict[str, bytes]]:
    found = []
    for seed in range(MANY):
        disk = Disk(Random(seed), start)
        for each in changes:
            disk.take(each)
        found.append(disk.image(survival))
    return found


@pytest.mark.parametrize("survival", list(Survival))
def test_what_was_synced_is_in_every_image(survival: Survival) -> None:
    changes = [CREATED, FOLDER_SYNCED, written(b"promise"), SYNCED, written(b"?" * 9, offset=7)]
    assert all(image["db"].startswith(b"promise") for image in images(changes, survival))


def test_without_a_sync_nothing_need_survive_and_everything_may() -> None:
    changes = [CREATED, FOLDER_SYNCED, written(b"a"), written(b"b", offset=1)]
    assert images(changes, Survival.NOTHING)[0] == {"db": b""}
    assert images(changes, Survival.EVERYTHING)[0] == {"db": b"ab"}
    kept = {image["db"] for image in images(changes, Survival.WRITES)}
    assert kept == {b"", b"a", b"\0b", b"ab"}


def test_a_prefix_keeps_the_order_and_tears_its_last_write_at_a_sector() -> None:
    first, second = b"1" * 4096, b"2" * 8192
    changes = [CREATED, FOLDER_SYNCED, written(first), written(second, offset=4096)]
    kept = {image["db"] for image in images(changes, Survival.PREFIX)}
    assert all((first + second).startswith(content) for content in kept)
    assert {len(content) % 512 for content in kept} == {0}
    assert {0, 4096, 12288} < {len(content) for content in kept} | {12288}
    assert len(kept) > 10


def test_sectors_of_one_write_survive_in_any_combination_but_never_in_part() -> None:
    changes = [written(b"new!" * 1024)]
    start = {"db": b"old." * 1024}
    seen = set()
    for image in images(changes, Survival.SECTORS, start):
        sectors = [image["db"][at : at + 512] for at in range(0, 4096, 512)]
        assert set(sectors) <= {b"new!" * 128, b"old." * 128}
        seen.add(tuple(sector[:1] for sector in sectors))
    assert any(a == b"n" and b == b"o" for each in seen for a, b in pairwise(each))
    assert len(seen) > 50


def test_a_file_that_its_folder_has_not_synced_may_be_missing_however_well_it_was_synced_itself() -> None:
    changes = [CREATED, written(b"x"), SYNCED]
    kept = [image.get("db") for image in images(changes, Survival.SECTORS)]
    assert set(kept) == {None, b"x"}
    assert images([*changes, FOLDER_SYNCED], Survival.NOTHING)[0] == {"db": b"x"}


def test_a_rename_before_the_folders_sync_has_happened_or_not_and_never_leaves_neither() -> None:
    changes = [
        change(Operation.CREATE, "new"),
        written(b"2", name="new"),
        change(Operation.SYNC, "new"),
        change(Operation.RENAME, "new", data=b"key"),
    ]
    kept = {image["key"] for image in images(changes, Survival.SECTORS, {"key": b"1"})}
    assert kept == {b"1", b"2"}


def test_a_removal_before_the_folders_sync_has_happened_or_not() -> None:
    kept = {image.get("db") for image in images([change(Operation.UNLINK)], Survival.WRITES, {"db": b"1"})}
    assert kept == {None, b"1"}


def test_a_cut_is_a_change_like_a_write() -> None:
    changes = [change(Operation.TRUNCATE, offset=2), written(b"X", offset=3)]
    kept = {image["db"] for image in images(changes, Survival.WRITES, {"db": b"abcd"})}
    assert kept == {b"abcd", b"ab", b"abcX", b"ab\0X"}


def test_after_a_failed_sync_a_later_one_that_succeeds_does_not_bring_back_what_was_lost() -> None:
    changes = [written(b"x"), change(Operation.SYNC_FAILED), SYNCED]
    kept = {image["db"] for image in images(changes, Survival.NOTHING, {"db": b"."})}
    assert kept == {b".", b"x"}


def test_a_record_that_was_cut_off_is_not_read(tmp_path: Path) -> None:
    record = HEAD.pack(HEAD.size + 4, Operation.WRITE, 0, 2, 1, 2, 9) + b"db" + b"xy"
    path = tmp_path / "log"
    path.write_bytes(record + record[:-1])
    assert read_log(path) == [Change(Operation.WRITE, "db", 9, b"xy", len(record))]
