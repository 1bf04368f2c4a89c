"""A process that dies after its log could not be synced leaves pages that can be read and are on no disk. What its
successor promises does not hang on them."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import IO, Final

import pytest

from faults.control import Action, Call, Control
from faults.disk import Change, Disk, Survival, read_log, write_image
from faults.shim import environment
from pushmesh_node.storage import Store
from pushmesh_node.storage.files import LOG_PIECE_BYTES

IMAGES: Final = 8
"""Of each survival."""

RECORDS: Final = 20

LIFE: Final = """
import asyncio, sys
from pathlib import Path
from pushmesh_node.storage import Store, StoreFailed
from support.records import record

async def live():
    store = await Store.open(Path(sys.argv[1]), new_incarnation=bytes(16))
    print("open", flush=True)
    for _ in sys.stdin:
        number = store.last_commit + 1
        try:
            await store.commit([record(number, data=bytes(9000))])
        except StoreFailed:
            number = 0
        print(number, flush=True)
    await store.close()

asyncio.run(live())
"""
"""A store that commits a record for each line that comes in, and says its number, or 0 where the disk refused. With the
last line it closes."""

COMPACT: Final = """
import sys
from pathlib import Path
from pushmesh_node.storage.copies import compact
compact(Path(sys.argv[1]))
"""

WRITE_AGAIN: Final = """
import sys
from pathlib import Path
from pushmesh_node.storage.files import write_log_again
write_log_again(Path(sys.argv[1]))
"""

pytestmark = pytest.mark.timeout(120)


class Recording:
    """One data folder through several lives of a store, under the shim."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "changes"
        self.control = Control(folder / "control")
        self.path = folder / "data" / "store.db"
        self.path.parent.mkdir()
        self.durable: list[int] = []

    @property
    def changes(self) -> list[Change]:
        return read_log(self._log)

    @contextmanager
    def life(self) -> Iterator[subprocess.Popen[str]]:
        """Ends as a crash ends it."""
        with self.start(LIFE) as process:
            try:
                assert said(process.stdout) == "open"
                yield process
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL

    def start(self, program: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(self.path)],
            env={
                **os.environ,
                **environment(self.path.parent, self.control.path, self._log),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def commit(self, process: subprocess.Popen[str]) -> bool:
        """Whether it is durable."""
        assert process.stdin is not None
        process.stdin.write("commit\n")
        process.stdin.flush()
        if number := int(said(process.stdout)):
            self.durable.append(number)
        return number > 0

    def first_lives(self) -> None:
        """What one life closed stands in the file. Of the next a record is durable, for another the log could not be
        synced."""
        with self.start(LIFE) as process:
            assert said(process.stdout) == "open"
            assert all([self.commit(process) for _ in range(RECORDS)])
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(60) == 0
        with self.life() as process:
            assert self.commit(process)
            self.control.arm(Call.LOG_SYNC, Action.FAIL, times=-1, argument=errno.EIO)
            assert not self.commit(process)
        self.control.disarm()


def said(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    recording = Recording(tmp_path)
    yield recording
    recording.control.close()


async def held_after_a_cut(changes: list[Change], survival: Survival, random: Random) -> list[int]:
    disk = Disk(random)
    for change in changes:
        disk.take(change)
    with TemporaryDirectory(prefix="faults-image-") as folder:
        write_image(disk.image(survival), Path(folder))
        store = await Store.open(Path(folder) / "store.db", new_incarnation=bytes(16))
        try:
            assert store.salvaged is None
            return [item.first_commit for item in await store.log(0, 1 << 20)]
        finally:
            await store.close()


@pytest.mark.parametrize("survival", list(Survival))
async def test_what_is_durable_after_a_log_that_could_not_be_synced_survives_the_next_power_cut(
    recording: Recording, survival: Survival, rng: Random
) -> None:
    recording.first_lives()
    with recording.life() as process:
        assert recording.commit(process)
    assert len(recording.durable) == RECORDS + 2
    for _ in range(IMAGES):
        held = await held_after_a_cut(recording.changes, survival, rng)
        assert set(held) >= set(recording.durable)


@pytest.mark.parametrize("survival", list(Survival))
async def test_a_power_cut_while_the_successor_starts_costs_nothing_that_was_durable(
    recording: Recording, survival: Survival, rng: Random
) -> None:
    recording.first_lives()
    before = len(recording.changes)
    with recording.life():
        pass
    after = len(recording.changes)
    assert after > before
    for _ in range(IMAGES):
        held = await held_after_a_cut(recording.changes[: rng.randint(before, after)], survival, rng)
        assert set(held) >= set(recording.durable)


@pytest.mark.parametrize("survival", list(Survival))
async def test_a_power_cut_while_such_a_store_is_compacted_leaves_it_whole(
    recording: Recording, survival: Survival, rng: Random
) -> None:
    recording.first_lives()
    before = len(recording.changes)
    with recording.start(COMPACT) as compacting:
        assert compacting.wait(60) == 0
    after = len(recording.changes)
    for _ in range(IMAGES * 4):
        held = await held_after_a_cut(recording.changes[: rng.randint(before, after)], survival, rng)
        assert set(held) >= set(recording.durable)


def test_a_log_of_any_size_is_on_the_disk_whole(recording: Recording, rng: Random) -> None:
    log = recording.path.with_name(recording.path.name + "-wal")
    content = rng.randbytes(2 * LOG_PIECE_BYTES + rng.randrange(LOG_PIECE_BYTES))
    log.write_bytes(content)
    with recording.start(WRITE_AGAIN) as process:
        assert process.wait(60) == 0
    disk = Disk(rng)
    for change in recording.changes:
        disk.take(change)
    assert disk.image(Survival.NOTHING) == {log.name: content}
