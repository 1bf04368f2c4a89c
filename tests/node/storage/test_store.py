"""Opening, writing and closing, which only the real store knows; what may be asked of it is in test_questions."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pushmesh_node.storage import Store, StoreError, StoreFailed, StoreSettings
from pushmesh_node.storage.files import SKIPPED_NUMBERS
from support.records import EVERYBODY, NOW, record


async def test_a_call_without_writes_is_no_transaction(sqlite_store: Store) -> None:
    await sqlite_store.commit([])
    assert (await sqlite_store.stats()).transactions == 0


async def test_concurrent_calls_share_a_transaction(sqlite_store: Store) -> None:
    await asyncio.gather(*(sqlite_store.commit([record(n)]) for n in range(1, 101)))
    stats = await sqlite_store.stats()
    assert (stats.calls, stats.writes, stats.items, stats.last_commit) == (100, 100, 100, 100)
    assert stats.transactions == 1


async def test_a_closed_store_keeps_everything_and_its_incarnation(path: Path) -> None:
    store = await Store.open(path, new_incarnation=b"a" * 16)
    await store.commit([record(1), record(2, EVERYBODY, EVERYBODY, expires_at=NOW)])
    await store.expire(NOW, 10)
    await store.close()
    await store.close()
    assert not path.with_name("store.db-wal").exists()

    again = await Store.open(path, new_incarnation=b"b" * 16)
    assert again.incarnation == b"a" * 16
    # Numbers 4 and on may have been told to somebody before a kill, so they are never given again.
    assert again.last_commit == 3 + SKIPPED_NUMBERS
    assert [item.first_commit for item in await again.log(0, 1_000)] == [1]
    assert (await again.stats()).items == 1
    await again.close()


async def test_close_writes_what_is_queued_and_refuses_what_comes_after(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    commits = [asyncio.create_task(store.commit([record(n)])) for n in range(1, 11)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    with pytest.raises(StoreFailed, match="closed"):
        await store.commit([record(11)])
    with pytest.raises(StoreFailed, match="closed"):
        await store.log(0, 1)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (10,)
    connection.close()


async def test_a_second_process_is_told_who_has_the_store(sqlite_store: Store, path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from pushmesh_node.storage import Store, StoreError\n"
        "try: asyncio.run(Store.open(pathlib.Path(sys.argv[1]), new_incarnation=bytes(16)))\n"
        "except StoreError as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(path)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    answer = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert "in use by another process (pid " in answer.stdout


@pytest.fixture
def diary(path: Path) -> bytes:
    """What stands at the store's path and is no store."""
    path.write_bytes(b"a diary, not a database" * 100)
    return path.read_bytes()


async def test_what_is_no_store_is_refused_and_left_as_it_is(path: Path, diary: bytes) -> None:
    with pytest.raises(StoreError, match="is not a pushmesh store"):
        await Store.open(path, new_incarnation=bytes(16))
    assert await asyncio.to_thread(path.read_bytes) == diary


async def test_a_store_that_failed_to_open_leaves_its_lock(path: Path, diary: bytes) -> None:
    with pytest.raises(StoreError):
        await Store.open(path, new_incarnation=bytes(16))
    await asyncio.to_thread(path.unlink)
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.close()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"folder .*missing cannot be used: No such file"):
        await Store.open(tmp_path / "missing" / "store.db", new_incarnation=bytes(16))


async def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "store.db").mkdir)
    with pytest.raises(StoreError, match="cannot be opened: unable to open"):
        await Store.open(tmp_path / "store.db", new_incarnation=bytes(16))


async def test_an_incarnation_has_sixteen_bytes(path: Path) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        await Store.open(path, new_incarnation=b"short")


async def test_a_while_after_a_write_the_store_copies_the_log_into_the_file(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16), settings=StoreSettings(checkpoint_interval_s=0.001))
    await store.commit([record(1)])
    async with asyncio.timeout(30):
        while (await store.stats()).checkpoints == 0:  # noqa: ASYNC110  # what is awaited is a figure of the store
            await asyncio.sleep(0.001)
    assert (await store.stats()).file_bytes > 4_096
    await store.close()
