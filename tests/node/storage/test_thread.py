import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_node.storage import StoreFailed
from pushmesh_node.storage.thread import ConnectionThread


@pytest.fixture
async def thread(path: Path) -> AsyncIterator[ConnectionThread]:
    thread = await ConnectionThread.start(path)
    yield thread
    await thread.close()


def where(connection: sqlite3.Connection) -> tuple[int, bool]:
    return threading.get_ident(), connection.in_transaction


def create(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(f"CREATE TABLE {name} (a)")


async def test_a_function_runs_on_the_connections_own_thread_outside_a_transaction(thread: ConnectionThread) -> None:
    first, second = await asyncio.gather(thread.run(where), thread.run(where))
    assert first == second == (first[0], False)
    assert first[0] != threading.get_ident()


async def test_functions_run_in_the_order_of_the_calls(thread: ConnectionThread) -> None:
    seen: list[int] = []
    await asyncio.gather(*(thread.run(lambda _connection, n: seen.append(n), n) for n in range(20)))
    assert seen == list(range(20))


async def test_a_cancelled_caller_does_not_stop_the_function(thread: ConnectionThread) -> None:
    gate = threading.Event()

    def wait_then_create(connection: sqlite3.Connection) -> None:
        gate.wait(30)
        create(connection, "late")

    caller = asyncio.create_task(thread.run(wait_then_create))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    assert await thread.run(lambda connection: connection.execute("SELECT count(*) FROM late").fetchone()) == (0,)


async def test_our_mistakes_come_out_as_they_are(thread: ConnectionThread) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await thread.run(lambda connection: connection.execute("SELECT * FROM missing"))


async def test_a_fault_of_the_world_comes_out_as_store_failed(thread: ConnectionThread, path: Path) -> None:
    await thread.run(create, "t")
    await asyncio.to_thread(path.write_bytes, b"scribble" * 2_000)
    with pytest.raises(StoreFailed, match="SQLITE_NOTADB") as caught:
        await thread.run(lambda connection: connection.execute("SELECT * FROM t"))
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


async def test_after_close_every_call_fails_and_close_is_idempotent(thread: ConnectionThread) -> None:
    running = asyncio.create_task(thread.run(create, "t"))
    await asyncio.sleep(0)
    await thread.close()
    await running
    await thread.close()
    with pytest.raises(StoreFailed, match="the store is closed"):
        await thread.run(create, "u")


CRASH = """
import asyncio, sys
from pathlib import Path
from pushmesh_node.storage import Store

async def crash():
    store = await Store.open(Path(sys.argv[1]), new_incarnation=bytes(16))
    print("opened", flush=True)
    raise SystemExit(7)

asyncio.run(crash())
"""


def test_a_process_that_crashes_without_closing_its_store_ends(path: Path) -> None:
    crashed = subprocess.run([sys.executable, "-W", "ignore", "-c", CRASH, str(path)], capture_output=True, timeout=60)
    assert (crashed.returncode, crashed.stdout) == (7, b"opened\n")
