"""A SQLite connection on a thread of its own. A whole question or transaction is one hop there and back."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import aiosqlite

from .errors import StoreFailed, failure_of, is_fault_of_the_world

P = ParamSpec("P")
T = TypeVar("T")


class ConnectionThread:
    """Runs functions on one connection, one after the other in the order of the calls."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._closed = False

    @classmethod
    async def start(cls, path: Path) -> "ConnectionThread":
        """Connect in autocommit mode: the functions that run here begin and end their transactions.

        Use files.check_can_open() before: aiosqlite leaves a thread behind where connecting fails.
        """
        connection = aiosqlite.connect(path, isolation_level=None, cached_statements=256)
        # Whoever ends without close(), by a crash or a failed test, must end: the log makes every moment a safe one.
        connection._thread.daemon = True
        return cls(await connection)

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`function(connection, *args)` on the thread. Raises StoreFailed for a fault of the world or after close().

        When the caller is cancelled the function still runs to its end.
        """
        raw = self._connection._connection
        if self._closed or raw is None:
            raise StoreFailed("the store is closed")
        try:
            # aiosqlite's public calls are a hop of some 70 us each statement; its version is pinned, a test holds this.
            execute = self._connection._execute
            result: T = await execute(function, raw, *args, **kwargs)  # type: ignore[no-untyped-call]  # untyped there
        except sqlite3.Error as error:
            if is_fault_of_the_world(error):
                raise failure_of(error) from error
            raise
        return result

    async def close(self) -> None:
        """Idempotent; waits for what was asked before."""
        self._closed = True
        await self._connection.close()
