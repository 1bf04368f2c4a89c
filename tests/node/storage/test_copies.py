import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from pushmesh_node.engine.records import Record, StoredItem
from pushmesh_node.storage import Store, StoreError, copies
from pushmesh_node.storage.checkpoints import checkpoint
from pushmesh_node.storage.copies import back_up, compact, restore, verify
from pushmesh_node.storage.files import mark_of, size_of
from pushmesh_node.storage.migrations import MIGRATIONS
from support.damaged_files import lead_back
from support.records import ALICE, EVERYBODY, NOW, record

RECORDS = [record(n, (ALICE,), data=os.urandom(600)) for n in range(1, 400)] + [record(400, EVERYBODY, (ALICE,))]
OLD, NEW = bytes(16), b"n" * 16


def remake(item: StoredItem) -> Record | None:
    return next((one for one in RECORDS if one.data == item.data), None)


def nobody(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture
async def full(path: Path) -> Path:
    store = await Store.open(path, new_incarnation=OLD)
    await store.commit(RECORDS)
    await store.close()
    return path


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_sound_store_is_verified_whole_and_stays_as_it_is(full: Path) -> None:
    before = full.read_bytes()
    told: list[tuple[int, int]] = []
    found = verify(full, remake, lambda done, total: told.append((done, total)))
    assert (found.is_sound, found.records, found.envelopes) == (True, 400, 401)
    assert (found.incarnation, found.last_commit, found.quarantined) == (OLD, 401, 0)
    assert told[-1] == (400, 400)
    assert full.read_bytes() == before


async def test_a_store_is_verified_beside_the_node_that_writes_to_it(path: Path) -> None:
    store = await Store.open(path, new_incarnation=OLD)
    await store.commit(RECORDS)
    assert verify(path, remake, nobody).envelopes == 401
    await store.commit([record(500)])
    await store.close()


@pytest.mark.parametrize(
    ("statement", "damaged", "missing"),
    [
        ("UPDATE items SET kind = 6 WHERE first_commit < 3", {"items": 2}, {}),
        ("UPDATE topics SET ends_at = 0", {"topics": 1}, {}),
        ("UPDATE runs SET mask = NULL", {"runs": 1}, {"runs": 1}),
        ("DELETE FROM targets WHERE commit_no IN (5, 401)", {}, {"targets": 2}),
        ("DELETE FROM ids", {}, {"ids": 401}),
    ],
)
def test_what_is_damaged_or_missing_is_counted_by_table(
    full: Path, statement: str, damaged: dict[str, int], missing: dict[str, int]
) -> None:
    change(full, statement)
    found = verify(full, remake, nobody)
    assert (dict(found.damaged), dict(found.missing), found.is_sound) == (damaged, missing, False)


def test_broken_pages_are_told_and_looked_around(full: Path) -> None:
    with full.open("r+b") as file:
        file.seek(full.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    found = verify(full, remake, nobody)
    assert found.pages and not found.is_sound


async def test_a_look_at_pages_that_lead_back_comes_to_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "STEP_ROWS", 4)
    store = await Store.open(path, new_incarnation=OLD)
    await store.commit([record(n, data=os.urandom(300)) for n in range(1, 700)])
    await store.close()
    lead_back(path, "items")
    steps: list[int] = []

    def count(done: int, _total: int) -> None:
        steps.append(done)
        assert len(steps) < 1_000, "it goes round and round"

    found = verify(path, None, count)
    assert any("lead back" in problem for problem in found.pages)


def test_what_is_no_store_or_of_an_older_version_is_told_in_a_sentence(tmp_path: Path, full: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        verify(tmp_path / "none.db", remake, nobody)
    (tmp_path / "text.db").write_text("not a database at all, but long enough to look like one" * 40)
    with pytest.raises(StoreError, match="is not a pushmesh store"):
        verify(tmp_path / "text.db", remake, nobody)
    change(full, f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
    with pytest.raises(StoreError, match="of an older version"):
        verify(full, remake, nobody)


async def test_a_backup_beside_a_writing_node_is_of_one_moment_and_restores_it(path: Path, tmp_path: Path) -> None:
    store = await Store.open(path, new_incarnation=OLD)
    await store.commit(RECORDS)
    target = tmp_path / "backup.db"
    size = back_up(path, target, nobody)
    await store.commit([record(900)])
    await store.close()
    assert (size, stat.S_IMODE(target.stat().st_mode)) == (target.stat().st_size, 0o600)
    assert verify(target, remake, nobody).envelopes == 401
    assert sorted(os.listdir(tmp_path)) == ["backup.db", "store.db", "store.db.lock"]

    old = restore(target, path, remake, NEW, nobody)
    assert old is not None and verify(old, remake, nobody).last_commit == 900
    again = await Store.open(path, new_incarnation=b"x" * 16)
    assert (again.incarnation, len(await again.log(0, 1 << 30))) == (NEW, 400)
    assert again.last_commit > 401
    await again.close()
    assert verify(path, remake, nobody).is_sound


def test_a_backup_overwrites_nothing_and_is_not_made_of_a_broken_store(full: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(StoreError, match="overwrites nothing"):
        back_up(full, tmp_path / "there", nobody)
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        back_up(full, tmp_path / "no" / "folder", nobody)
    change(full, "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'cursors'")
    with pytest.raises(StoreError, match="no backup was made"):
        back_up(full, tmp_path / "backup.db", nobody)
    assert not list(tmp_path.glob("backup*"))


async def test_a_damaged_backup_replaces_nothing(full: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    back_up(full, target, nobody)
    change(target, "UPDATE items SET kind = 6 WHERE first_commit = 1")
    with pytest.raises(StoreError, match="1 rows of items are damaged; nothing was changed"):
        restore(target, full, remake, NEW, nobody)
    assert verify(full, remake, nobody).incarnation == OLD


async def test_nothing_is_replaced_or_compacted_under_a_running_node(full: Path, tmp_path: Path) -> None:
    back_up(full, tmp_path / "backup.db", nobody)
    store = await Store.open(full, new_incarnation=OLD)
    for attempt in (lambda: restore(tmp_path / "backup.db", full, remake, NEW, nobody), lambda: compact(full)):
        with pytest.raises(StoreError, match="in use by another process"):
            attempt()
    await store.close()


def test_a_restore_into_an_empty_folder_needs_no_old_store(full: Path, tmp_path: Path) -> None:
    back_up(full, tmp_path / "backup.db", nobody)
    place = tmp_path / "new" / "pushmesh.db"
    assert restore(tmp_path / "backup.db", place, remake, NEW, nobody) is None
    assert verify(place, remake, nobody).incarnation == NEW
    mark_of(place).write_text("was damaged")
    restore(tmp_path / "backup.db", place, remake, NEW, nobody)
    assert not mark_of(place).exists()


async def test_compacting_gives_all_free_room_back_and_loses_nothing(full: Path) -> None:
    store = await Store.open(full, new_incarnation=OLD)
    await store.commit([record(number, expires_at=NOW, data=os.urandom(2_000)) for number in range(2**21, 2**21 + 500)])
    while await store.expire(NOW, 100):
        pass
    await store.close()
    before, after = compact(full)
    assert after < before - 500_000
    assert verify(full, remake, nobody).envelopes == 401
    with pytest.raises(StoreError, match="there is no store"):
        compact(full.with_name("none.db"))
    assert copies.STEP_ROWS > 400  # or the progress would be told in steps


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM meta WHERE name = 'incarnation'", "a row of meta is missing"),
        ("DROP TABLE meta", "its list of tables is damaged"),
        ("DROP TABLE targets", "its list of tables is damaged"),
    ],
)
def test_a_store_without_what_it_rests_on_is_damaged_and_takes_nobodys_place(
    full: Path, tmp_path: Path, statement: str, why: str
) -> None:
    bad = tmp_path / "bad.db"
    back_up(full, bad, nobody)
    change(bad, statement)
    found = verify(bad, remake, nobody)
    assert not found.is_sound and why in found.pages[0]
    with pytest.raises(StoreError, match=r"is damaged.*; nothing was changed"):
        restore(bad, full, remake, NEW, nobody)
    assert verify(full, remake, nobody).is_sound


def a_copy_with_its_log_cut(path: Path, folder: Path, size: int) -> Path:
    folder.mkdir()
    shutil.copy(path, folder)
    log = path.with_name(path.name + "-wal")
    (folder / log.name).write_bytes(log.read_bytes()[:size])
    return folder / path.name


async def test_a_log_that_was_cut_takes_nothing_back_when_a_store_is_compacted(path: Path, tmp_path: Path) -> None:
    store = await Store.open(path, new_incarnation=OLD)
    await store.commit(RECORDS[:100])
    cut = size_of(path.with_name(path.name + "-wal"))
    await store.commit(RECORDS[100:])
    await store._writer.run(checkpoint, "PASSIVE")
    copy = a_copy_with_its_log_cut(path, tmp_path / "copy", cut)
    await store.close()
    compact(copy)
    found = verify(copy, remake, nobody)
    assert found.is_sound and found.envelopes == 401
