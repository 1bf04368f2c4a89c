"""Copies the write-ahead log into the file beside the writer, so that commits do not wait for it."""

import asyncio
import sqlite3

from .errors import StoreFailed
from .thread import ConnectionThread


def checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """PASSIVE copies what it can and waits for nobody, TRUNCATE then empties the log. Whether all of it was copied."""
    busy, log_pages, copied_pages = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not busy and log_pages == copied_pages


class Checkpointer:
    """Owns one task and one connection: a while after writes it copies the log. Nothing written, nothing to do."""

    def __init__(self, thread: ConnectionThread, interval_s: float) -> None:
        self.count = 0
        self._thread = thread
        self._interval_s = interval_s
        self._written = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="store-checkpoints")

    def wrote(self) -> None:
        """Tell that a transaction was committed."""
        self._written.set()

    async def close(self) -> None:
        """End the task; a checkpoint that runs goes on to its end."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._thread.close()

    async def _run(self) -> None:
        while True:
            await self._written.wait()
            await asyncio.sleep(self._interval_s)
            self._written.clear()
            try:
                await self._thread.run(checkpoint, "PASSIVE")
            except StoreFailed:
                continue  # nothing is lost, the log keeps all; the commit that needs the room will tell
            self.count += 1
