import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.storage.errors import describe, is_fault_of_the_world


def failure(connection: sqlite3.Connection, sql: str, *parameters: object) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(sql, parameters)
    return caught.value


def test_a_file_that_is_no_database_is_a_fault_of_the_world(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database" * 100)
    connection = sqlite3.connect(tmp_path / "x")
    error = failure(connection, "SELECT * FROM sqlite_schema")
    connection.close()
    assert is_fault_of_the_world(error)
    assert describe(error) == "file is not a database (SQLITE_NOTADB)"


def test_an_extended_code_counts_like_its_primary_one() -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    assert is_fault_of_the_world(error)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("SELECT nothing", ()), ("SELECT ?", ()), ("INSERT INTO t VALUES (1)", ()), ("INSERT INTO t VALUES (NULL)", ())],
)
def test_a_wrong_statement_is_our_own_fault(sql: str, parameters: tuple[object, ...]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a NOT NULL UNIQUE)")
    connection.execute("INSERT INTO t VALUES (1)")
    assert not is_fault_of_the_world(failure(connection, sql, *parameters))
    connection.close()


def test_an_error_without_a_code_is_described_all_the_same() -> None:
    assert describe(sqlite3.ProgrammingError("closed")) == "closed (no code)"
