"""What a bad disk does to the file of a store, and nobody is told."""

import sqlite3
from pathlib import Path

PAGE = 4096


def spoil(path: Path, statement: str) -> None:
    """Change rows and leave their sums as they are."""
    connection = sqlite3.connect(path)
    assert connection.execute(statement).rowcount >= 1
    connection.commit()
    connection.close()


def root_of(path: Path, name: str) -> int:
    """The first page of a table or an index."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    connection.close()
    return int(page)


def leaf_of(path: Path, text: bytes) -> int:
    """The page that these bytes stand on."""
    return path.read_bytes().index(text) // PAGE + 1


def overwrite(path: Path, page: int, data: bytes = b"\xa5" * PAGE) -> None:
    """A page becomes nothing that SQLite knows."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(data)


def change_index(path: Path, name: str, column: str, value: str) -> None:
    """An index says `value` where the rows of its table have `column`, its first."""
    connection = sqlite3.connect(path)
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    connection.execute(f"DROP INDEX {name}")
    connection.execute(sql.replace(f"({column}", f"({value}", 1))
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))
    connection.execute("PRAGMA writable_schema = RESET")
    connection.commit()
    connection.close()


def replace_bytes(path: Path, old: bytes, new: bytes) -> None:
    """Wherever they stand in the file."""
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))


def lead_back(path: Path, table: str) -> None:
    """Behind the last but one page of a table stands its first, once more."""
    at = (root_of(path, table) - 1) * PAGE
    data = bytearray(path.read_bytes())
    assert data[at] == 5, "the table must have pages below its root, and no pages below these"
    first_cell = at + int.from_bytes(data[at + 12 : at + 14], "big")
    data[at + 8 : at + 12] = data[first_cell : first_cell + 4]
    path.write_bytes(data)


def renumber_record(path: Path, data: bytes) -> None:
    """The record with these bytes, number 256, says that it is number 8448."""
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"\x82\x00", 0, whole.index(data))] |= 0x40  # 256, as SQLite writes it before the row
    path.write_bytes(whole)
