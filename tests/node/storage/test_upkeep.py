import shutil
import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.storage import upkeep
from pushmesh_node.storage.upkeep import Room, Usage, is_in_place, places_of, probe, room_of, usage, vacuum_step

GIB = 1 << 30


def used(used_bytes: int, disk_free_bytes: int = GIB) -> Usage:
    return Usage(used_bytes, 0, 0, disk_free_bytes)


@pytest.mark.parametrize(
    ("now", "budget", "min_free", "room"),
    [
        (used(GIB), 0, 0, Room.FREE),
        (used(94), 100, 0, Room.FREE),
        (used(95), 100, 0, Room.TIGHT),
        (used(100), 100, 0, Room.FULL),
        (used(1, 50), 0, 51, Room.FULL),
        (used(1, 50), 0, 26, Room.TIGHT),
        (used(1, 52), 0, 26, Room.FREE),
    ],
)
def test_room_is_what_budget_and_disk_leave(now: Usage, budget: int, min_free: int, room: Room) -> None:
    assert room_of(now, budget, min_free) is room


def test_a_probe_leaves_nothing_and_works_again(connection: sqlite3.Connection) -> None:
    for _ in range(2):
        probe(connection)
        assert connection.execute("SELECT count(*) FROM probe").fetchone() == (0,)
        assert not connection.in_transaction


def test_free_pages_are_given_back_in_steps_down_to_what_is_kept(
    connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "VACUUM_ABOVE_PAGES", 16)
    connection.execute("CREATE TABLE fat (data)")
    connection.execute("INSERT INTO fat VALUES (zeroblob(4000000))")
    full = usage(connection, path)
    assert vacuum_step(connection, full, 100) == 0
    connection.execute("DELETE FROM fat")
    empty = usage(connection, path)
    assert empty.free_pages > 900
    assert empty.used_bytes < full.used_bytes
    steps = 0
    while vacuum_step(connection, usage(connection, path), 100):
        steps += 1
    end = usage(connection, path)
    assert 3 <= steps <= 10
    assert end.free_pages <= max(16, end.pages // 4) + 100
    assert end.disk_free_bytes > 0


def test_a_file_is_in_place_until_it_or_its_log_is_removed_or_replaced(
    connection: sqlite3.Connection, path: Path
) -> None:
    places, aside = places_of(path), path.with_name("aside")
    assert is_in_place(path, places)
    for place in places:
        place.rename(aside)
        assert not is_in_place(path, places)
        shutil.copy(aside, place)
        assert not is_in_place(path, places)
        aside.replace(place)
        assert is_in_place(path, places)
