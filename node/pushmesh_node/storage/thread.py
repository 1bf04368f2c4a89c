"""A SQLite connection on a thread of its own. A whole question or transaction is one hop there and back."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import aiosqlite

from .errors import StoreFailed, describe, is_fault_of_the_world

P = ParamSpec("P")
T = TypeVar("T")


class ConnectionThread:
    """Runs functions on one connection, one after the other in the order of the calls."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def start(cls, path: Path) -> "ConnectionThread":
        """Connect in autocommit mode: the functions that run here begin and end their transactions.

        Use files.check_can_open() before: aiosqlite leaves a thread behind where connecting fails.
        """
        return cls(await aiosqlite.connect(path, isolation_level=None, cached_statements=256))

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`function(connection, *args)` on the thread. Raises StoreFailed for a fault of the world or after close().

        When the caller is cancelled the function still runs to its end.
        """
        raw = self._connection._connection
        if raw is None:
            raise StoreFailed("the store is closed")
        try:
            # aiosqlite's public calls are one hop (some 70 us) per statement; its version is pinned and a test holds
            # this one.
            result: T = await self._connection._execute(function, raw, *args, **kwargs)  # type: ignore[no-untyped-call]  # as above
        except sqlite3.Error as error:
            if is_fault_of_the_world(error):
                raise StoreFailed(describe(error)) from error
            raise
        return result

    async def close(self) -> None:
        """Idempotent; waits for what was asked before."""
        await self._connection.close()
