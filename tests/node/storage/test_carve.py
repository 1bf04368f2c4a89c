import os
import shutil
import sqlite3
import struct
from pathlib import Path
from random import Random

import pytest

from pushmesh_node.storage.carve import carve_items
from pushmesh_node.storage.sums import ITEMS
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import EVERYBODY, GRANT, NOW, record

SIZES = (0, 1, 100, 1_500, 3_900, 4_000, 4_060, 4_096, 9_000, 60_000, 262_144)
"""Around the edges of a page, and up to the largest frame."""


@pytest.fixture
def full(connection: sqlite3.Connection) -> sqlite3.Connection:
    records = [record(n, kind=5 if n % 3 else GRANT, data=os.urandom(SIZES[n % len(SIZES)])) for n in range(1, 90)]
    large = record(2**40, EVERYBODY, EVERYBODY, expires_at=NOW * 100)
    write_group(connection, [*records, large], TopicNumbers(), 0)
    return connection


def rows_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute(f"{ITEMS.select} ORDER BY first_commit").fetchall()


def carved(path: Path) -> list[tuple[object, ...]]:
    return sorted(carve_items(path), key=lambda row: row[0])


def test_every_row_of_a_closed_file_is_found(full: sqlite3.Connection, path: Path) -> None:
    full.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert carved(path) == rows_of(full)


def test_the_log_counts_up_to_its_last_whole_transaction(full: sqlite3.Connection, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    assert carved(copy) == rows_of(full)
    log = copy.with_name("copy.db-wal")
    os.truncate(log, log.stat().st_size - 5)
    assert carved(copy) == []  # all stood in the one transaction that is cut


def test_no_damage_gives_a_wrong_row_or_ends_the_search(full: sqlite3.Connection, path: Path, tmp_path: Path) -> None:
    full.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    truth, whole, rng = set(rows_of(full)), path.read_bytes(), Random(3)
    copy = tmp_path / "copy.db"
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(200):
            data[rng.randrange(len(data))] = rng.randrange(256)
        copy.write_bytes(data[: rng.randrange(len(data) // 2, len(data))])
        assert set(carve_items(copy)) <= truth


def test_of_bytes_that_are_no_file_nothing_is_found(tmp_path: Path) -> None:
    for data in (b"", b"\x0d" * 40_960, os.urandom(40_960)):
        (tmp_path / "x").write_bytes(data)
        assert list(carve_items(tmp_path / "x")) == []


def test_a_chain_that_ends_before_its_row_does_is_no_row(tmp_path: Path) -> None:
    page = bytearray(4_096)
    page[:10] = struct.pack(">BHHHBH", 0x0D, 0, 1, 100, 0, 100)
    page[100:104] = b"\x83\xd4\x60\x01"  # a row of 60,000 bytes, and no page where the rest would be
    (tmp_path / "x").write_bytes(bytes(4_096) + page)
    assert list(carve_items(tmp_path / "x")) == []
