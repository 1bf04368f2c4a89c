"""Copies the write-ahead log into the file beside the writer, so that commits do not wait for it."""

import asyncio
import sqlite3

from .errors import StoreFailed
from .migrations import PAGE_BYTES
from .thread import ConnectionThread

SHORTEST_S = 0.5


def checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """PASSIVE copies what it can and waits for nobody, TRUNCATE then empties the log. Whether all of it was copied."""
    busy, log_pages, copied_pages = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not busy and log_pages == copied_pages


def copy_log(connection: sqlite3.Connection) -> int:
    """PASSIVE; the bytes that the log held."""
    _busy, log_pages, _copied_pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(log_pages) * PAGE_BYTES


def next_pause_s(pause_s: float, log_bytes: int, longest_s: float, most_bytes: int) -> float:
    """How long to wait after a write, by how much the log grew in the pause before: at most `longest_s`, less where it
    would hold more than `most_bytes`."""
    if log_bytes * longest_s <= most_bytes * pause_s:
        return longest_s
    return max(min(SHORTEST_S, longest_s), pause_s * most_bytes / log_bytes)


class Checkpointer:
    """Owns one task and one connection: a while after writes it copies the log. Nothing written, nothing to do."""

    def __init__(self, thread: ConnectionThread, longest_s: float, most_bytes: int) -> None:
        self.count = 0
        self._thread = thread
        self._longest_s = longest_s
        self._most_bytes = most_bytes
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
        pause_s = min(SHORTEST_S, self._longest_s)
        while True:
            await self._written.wait()
            await asyncio.sleep(pause_s)
            self._written.clear()
            try:
                log_bytes = await self._thread.run(copy_log)
            except StoreFailed:
                continue  # nothing is lost, the log keeps all; the commit that needs the room will tell
            self.count += 1
            pause_s = next_pause_s(pause_s, log_bytes, self._longest_s, self._most_bytes)
