"""Many rows in one statement. SQLite then works through all of them in one call, without Python's global lock."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

MAX_ROWS = 64
"""Rows of one statement. A power of two, so that few different statements exist and each is prepared once."""


def insert(connection: sqlite3.Connection, head: str, rows: Sequence[Sequence[Any]], row: str = "") -> None:
    """Run `head VALUES (?,..),(?,..)..` for the rows, in their order; `row` may stand for the default `(?,..)`."""
    if not rows:
        return
    row = row or placeholders(len(rows[0]))
    for part in pieces(rows):
        connection.execute(statement(head, row, len(part)), tuple(chain.from_iterable(part)))


def pieces(rows: Sequence[Any], most: int = MAX_ROWS) -> Iterator[Sequence[Any]]:
    """The rows in runs of `most`, the rest in falling powers of two. `most` is a power of two."""
    start, left = 0, len(rows)
    while left:
        size = most if left >= most else 1 << (left.bit_length() - 1)
        yield rows[start : start + size]
        start, left = start + size, left - size


@lru_cache(maxsize=64)
def placeholders(columns: int) -> str:
    """`(?,?,..)`."""
    return f"({','.join('?' * columns)})"


@lru_cache(maxsize=512)
def statement(head: str, row: str, count: int) -> str:
    """`head VALUES row,row,..`; few different texts may be asked for, so that each stays prepared."""
    return f"{head} VALUES {','.join([row] * count)}"
