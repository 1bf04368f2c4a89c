import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.storage import StoreError, StoreSettings
from pushmesh_node.storage.files import (
    Meta,
    check_can_open,
    prepare_reader,
    prepare_writer,
    read_meta,
    size_of,
    write_log_again,
)
from pushmesh_node.storage.tally import Amount
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.records import EVERYBODY, record


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_the_writer_has_a_log_that_is_synced_at_each_commit(connection: sqlite3.Connection) -> None:
    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 2
    assert pragma(connection, "page_size") == 4096
    assert pragma(connection, "wal_autocheckpoint") == StoreSettings().log_bytes // 4096


def test_a_reader_cannot_change_data(connection: sqlite3.Connection, path: Path) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    prepare_reader(reader, StoreSettings())
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM items")
    reader.close()


def test_meta_counts_what_is_there(connection: sqlite3.Connection) -> None:
    write_group(connection, [record(1), record(5, EVERYBODY, EVERYBODY)], TopicNumbers(), 0)
    meta = read_meta(connection)
    sets = {0: Amount(2, 3, 2 * len(b"frame 1"))}
    assert meta == Meta(bytes(range(16)), 6, sets, {})


def test_preparing_again_changes_nothing(connection: sqlite3.Connection, path: Path) -> None:
    before = connection.execute("SELECT sql FROM sqlite_schema").fetchall()
    meta = prepare_writer(connection, path, b"x" * 16, StoreSettings())
    assert meta.incarnation == bytes(range(16))
    assert connection.execute("SELECT sql FROM sqlite_schema").fetchall() == before


def test_a_path_that_cannot_be_opened_is_the_operators_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: unable to open database file"):
        check_can_open(tmp_path)


def test_a_database_without_shared_memory_is_refused() -> None:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(StoreError, match="cannot hold a write-ahead log"):
        prepare_writer(memory, Path("store.db"), bytes(16), StoreSettings())
    memory.close()


def test_a_missing_file_has_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "five").write_bytes(b"12345")
    assert (size_of(tmp_path / "five"), size_of(tmp_path / "none")) == (5, 0)


def test_a_log_that_is_written_again_says_what_it_said(connection: sqlite3.Connection, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    before = log.read_bytes()
    write_log_again(path)
    assert before and log.read_bytes() == before


def test_where_there_is_no_log_none_is_made(path: Path) -> None:
    write_log_again(path)
    assert list(path.parent.iterdir()) == []


def test_a_log_that_cannot_be_written_is_the_operators_error(path: Path) -> None:
    path.with_name(path.name + "-wal").mkdir()
    with pytest.raises(StoreError, match=r"the log .*-wal of the store cannot be written: Is a directory"):
        write_log_again(path)
