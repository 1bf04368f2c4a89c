import asyncio
import sqlite3
from pathlib import Path

from pushmesh_node.storage import StoreSettings
from pushmesh_node.storage.checkpoints import Checkpointer, checkpoint
from pushmesh_node.storage.files import prepare_reader, size_of
from pushmesh_node.storage.thread import ConnectionThread
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import record


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
    checkpointer = Checkpointer(thread, 0.001)
    await asyncio.sleep(0.02)
    assert checkpointer.count == 0
    write_group(connection, [record(1)], TopicNumbers(), 0)
    before = size_of(path)
    checkpointer.wrote()
    async with asyncio.timeout(30):
        while checkpointer.count == 0:  # noqa: ASYNC110  # what is awaited is a count, not an event of the test's
            await asyncio.sleep(0.001)
    assert size_of(path) > before
    await checkpointer.close()
