"""Every file of a killed node, cut at every kind of place: the node serves what is left, or says in one sentence why
not. It never invents anything, and never ends with a traceback."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from faults.history import Durable, Held, Invoked
from faults.looking import STORE, read_store
from faults.power import Recorded, record
from pushmesh_node.lab.errors import NodeDied
from pushmesh_node.storage import StoreError
from support.processes import Running, a_plan

WAL = f"{STORE}-wal"
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def cuts(size: int, rng: Random) -> Iterator[int]:
    """Lengths to cut to: nothing, a torn head, page and frame borders, one byte short, anywhere."""
    yield from (0, 1, 31, 100)
    yield from (each for each in (4096, 8192, 32 + 24, 32 + 4120, size // 2, size - 1, size - 512) if 0 < each < size)
    yield from (rng.randrange(size) for _ in range(6))


def a_copy(folder: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path in folder.iterdir():
        if path.is_file() and not path.name.endswith(("-shm", ".lock", ".log", ".control")):
            shutil.copy(path, place / path.name)
    return place


async def opened(recorded: Recorded, folder: Path) -> Held | str:
    """What is left, or the sentence that says why it cannot be read."""
    try:
        return await read_store("cut", recorded.network, folder / STORE)
    except StoreError as error:
        return str(error)


async def test_a_store_that_was_cut_gives_what_is_left_or_one_sentence(tmp_path: Path, rng: Random) -> None:
    recorded = await record(tmp_path, rng, seconds=2, stopped=False)
    invoked = {id_ for event in recorded.history.events if isinstance(event, Invoked) for id_ in event.ids}
    durable = {event.id for event in recorded.history.events if isinstance(event, Durable)}
    folder = tmp_path / "alone"
    whole = await opened(recorded, a_copy(folder, tmp_path / "whole"))
    assert isinstance(whole, Held) and durable <= whole.ids.keys()
    served = 0
    for name in (WAL, STORE):
        for size in cuts((folder / name).stat().st_size, rng):
            place = a_copy(folder, tmp_path / "cut")
            with (place / name).open("r+b") as file:
                file.truncate(size)
            held = await opened(recorded, place)
            if isinstance(held, Held):
                served += 1
                assert held.ids.keys() <= invoked
                # A log that was cut holds a beginning of what was there, under the same numbers.
                assert name != WAL or held.ids.items() <= whole.ids.items()
            else:
                assert "\n" not in held and held.startswith("the store "), held
    assert served > 5
    await a_node_serves_or_says_why(folder, tmp_path / "node")


async def a_node_serves_or_says_why(folder: Path, home: Path) -> None:
    """The same for the whole program, and each of its files."""
    # The configuration is written anew by the laboratory at each start; its errors have tests of their own.
    for name in sorted({path.name for path in a_copy(folder, home).iterdir()} - {"pushmesh.toml"}):
        for size in (0, (folder / name).stat().st_size // 2):
            plan = a_plan(home.parent, home.name + "-plan", mqtt__enabled=False)
            a_copy(folder, plan.folder)
            node = Running(plan)
            with (plan.folder / name).open("r+b") as file:
                file.truncate(size)
            try:
                await node.up()
            except NodeDied:
                last = node.plan.log.read_text().strip().splitlines()[-1]
                assert last.startswith("pushmesh: "), (name, size, last)
            finally:
                await node.client.close()
                await node.kill()
            assert not [line for line in node.faults() if "Traceback" in line], (name, size)
            shutil.rmtree(plan.folder)
