import asyncio
import sqlite3
from pathlib import Path

from pushmesh_node.storage import StoreSettings
from pushmesh_node.storage.checkpoints import SHORTEST_S, Checkpointer, checkpoint, copy_log, next_pause_s
from pushmesh_node.storage.files import prepare_reader, size_of
from pushmesh_node.storage.thread import ConnectionThread
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import record
from support.until import until


def test_truncate_moves_everything_into_the_file(connection: sqlite3.Connection, path: Path) -> None:
    write_group(connection, [record(n) for n in range(1, 100)], TopicNumbers(), 0)
    assert checkpoint(connection, "TRUNCATE")
    assert size_of(path.with_name("store.db-wal")) == 0


def test_a_reader_in_the_way_is_told_and_not_waited_for(connection: sqlite3.Connection, path: Path) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM items").fetchone()
    write_group(connection, [record(1)], TopicNumbers(), 0)
    assert not checkpoint(connection, "PASSIVE")
    reader.execute("COMMIT")
    assert checkpoint(connection, "PASSIVE")
    reader.close()


async def test_the_log_is_copied_after_writes_and_only_then(connection: sqlite3.Connection, path: Path) -> None:
    thread = await ConnectionThread.start(path)
    await thread.run(prepare_reader, StoreSettings())
    checkpointer = Checkpointer(thread, 0.001, 1 << 20)
    await asyncio.sleep(0.02)
    assert checkpointer.count == 0
    write_group(connection, [record(1)], TopicNumbers(), 0)
    before = size_of(path)
    checkpointer.wrote()
    await until(lambda: checkpointer.count > 0)
    assert size_of(path) > before
    await checkpointer.close()


def test_what_the_log_held_is_told_when_it_is_copied(connection: sqlite3.Connection, path: Path) -> None:
    checkpoint(connection, "TRUNCATE")
    write_group(connection, [record(1)], TopicNumbers(), 0)
    written = size_of(path.with_name("store.db-wal"))
    assert 0 < copy_log(connection) <= written


def test_a_log_that_grows_slowly_is_copied_rarely_and_one_that_grows_fast_before_it_is_too_large() -> None:
    assert next_pause_s(1.0, 0, 5.0, 100) == 5.0
    assert next_pause_s(1.0, 20, 5.0, 100) == 5.0
    assert next_pause_s(1.0, 50, 5.0, 100) == 2.0, "so that the log then holds what it may"
    assert next_pause_s(5.0, 400, 5.0, 100) == 1.25
    assert next_pause_s(1.0, 100_000, 5.0, 100) == SHORTEST_S
    assert next_pause_s(0.001, 100_000, 0.001, 100) == 0.001, "never longer than was asked"
