import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pushmesh_client.errors import BookError
from pushmesh_client.journal import Journal
from support.commands import python_path

FULL_DISK = """
import resource, sys
from pathlib import Path
from pushmesh_client.errors import BookError
from pushmesh_client.journal import Journal

journal = Journal(Path(sys.argv[1]))
journal.lines()
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
try:
    journal.append(b"longer than the disk", sync=True)
except BookError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(b"third", sync=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal"


def written(path: Path, *lines: bytes) -> None:
    journal = Journal(path)
    journal.lines()
    for line in lines:
        journal.append(line, sync=True)
    journal.close()


def test_lines_come_back_in_order_and_nobody_else_can_read_them(path: Path) -> None:
    written(path, b"first")
    written(path, b"second")
    journal = Journal(path)
    assert journal.lines() == [b"first", b"second"]
    journal.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_none_and_the_next_one_takes_its_place(path: Path) -> None:
    written(path, b"first")
    path.write_bytes(path.read_bytes() + b"half of something long")
    written(path, b"second")
    journal = Journal(path)
    assert journal.lines() == [b"first", b"second"]
    journal.close()


def test_a_full_disk_is_one_sentence_and_spoils_no_line(path: Path) -> None:
    written(path, b"first")
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.startswith(f"the slot book {path} cannot be written: ")
    journal = Journal(path)
    assert journal.lines() == [b"first", b"third"]
    journal.close()


def test_it_has_one_writer_also_after_it_was_rewritten(path: Path) -> None:
    written(path, b"old", b"kept")
    journal = Journal(path)
    journal.lines()
    journal.rewrite([b"kept"])
    with pytest.raises(BookError, match="in use by another process"):
        Journal(path)
    journal.append(b"new", sync=False)
    journal.close()
    assert path.read_bytes() == b"kept\nnew\n"
    assert os.listdir(path.parent) == ["journal"]


def test_a_file_that_was_replaced_before_it_was_locked_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, b"stale")
    opened: list[int] = []
    open_file = os.open

    def open_late(name: os.PathLike[str], flags: int, mode: int) -> int:
        descriptor = open_file(name, flags, mode)
        if not opened:  # another process rewrites the file between our opening and our locking it
            fresh = path.with_name("fresh")
            fresh.write_bytes(b"rewritten\n")
            fresh.replace(path)
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    journal = Journal(path)
    assert journal.lines() == [b"rewritten"]
    assert len(opened) == 2
    journal.close()


def test_where_a_rewriting_fails_everything_stays(path: Path) -> None:
    written(path, b"first")
    journal = Journal(path)
    journal.lines()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        journal.rewrite([b"another"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.append(b"second", sync=True)
    journal.close()
    assert path.read_bytes() == b"first\nsecond\n"
    assert os.listdir(path.parent) == ["journal"]


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    journal.close()
    with pytest.raises(BookError, match="closed"):
        journal.append(b"late", sync=True)
