import os
from pathlib import Path

import pytest

from pushmesh_node.storage import StoreError
from pushmesh_node.storage.lock import StoreLock


def test_a_held_lock_is_refused_with_the_holders_pid(path: Path) -> None:
    lock = StoreLock(path)
    with pytest.raises(StoreError, match=rf"in use by another process \(pid {os.getpid()}\)"):
        StoreLock(path)
    lock.release()


def test_a_released_lock_can_be_taken_again_and_again(path: Path) -> None:
    for _time in range(3):
        StoreLock(path).release()
    assert path.with_name("store.db.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_remembers_which_store_was_here(path: Path) -> None:
    lock = StoreLock(path)
    lock.remember("0f" * 16)
    lock.release()
    again = StoreLock(path)
    assert again.incarnation == "0f" * 16
    with pytest.raises(StoreError, match=rf"in use by another process \(pid {os.getpid()}\)$"):
        StoreLock(path)
    again.release()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=rf"{tmp_path}/none cannot be used: No such file"):
        StoreLock(tmp_path / "none" / "store.db")
