"""Asks the store's connections, and goes on where a row or a page turns out damaged: the row is moved aside and the
question asked again; of a page the next opening is told. Decides nothing about what is stored."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from traceback import clear_frames
from typing import Concatenate, ParamSpec, TypeVar

from . import quarantine
from .derived import Remake
from .errors import StoreDamaged
from .files import mark_of
from .quarantine import Aside
from .sums import Damaged
from .tally import Amount, count_sets
from .thread import ConnectionThread

P = ParamSpec("P")
T = TypeVar("T")

MAX_DAMAGED_ROWS = 256
"""One question moves at most so many rows aside; a store that is worse than that fails it."""


class Mending:
    """`recount` is given what is held of each set after an item was moved aside; `remake` reads a stored frame."""

    def __init__(
        self,
        path: Path,
        writer: ConnectionThread,
        remake: Remake | None,
        recount: Callable[[Mapping[int, Amount]], None],
        keep_ms: int = 0,
    ) -> None:
        self.on_quarantined: Callable[[Sequence[Aside]], None] = lambda _rows: None
        """Called on the loop with each row that was moved aside, for whoever asks peers for its ids."""
        self.quarantined = self.repaired = 0
        """Rows that were moved aside, and rows that were made again from their items, since open()."""
        self.damage = asyncio.Event()
        """Set when pages of the file turn out not to fit each other: close the store and open it anew, which salvages
        it. Until then what can be read is."""
        self._path = path
        self._writer = writer
        self._remake = remake
        self._recount = recount
        self._keep_ms = keep_ms
        self._one_at_a_time = asyncio.Lock()
        self._moved: dict[tuple[object, ...], None] = {}
        self._whole: dict[tuple[object, ...], None] = {}

    async def set_aside(self, damage: Damaged) -> None:
        """Once for each row, however many questions met it at the same time."""
        row = (damage.table.name, quarantine.key_of(damage.table, damage.row))
        async with self._one_at_a_time:
            if row in self._moved:
                return
            try:
                now_ms = time.time_ns() // 1_000_000
                aside = await self._writer.run(quarantine.set_aside, damage, now_ms, self._remake, self._keep_ms)
            except StoreDamaged as failure:
                self.mark(failure)
                raise
            if aside is None:
                await self._met_whole(damage, row)
                return
            self._moved[row] = None
            if len(self._moved) > quarantine.KEPT_ROWS:
                del self._moved[next(iter(self._moved))]
        self.quarantined += 1
        if aside.table == "items":
            self._recount(await self._writer.run(count_sets))
        self.on_quarantined([aside])

    async def _met_whole(self, damage: Damaged, row: tuple[object, ...]) -> None:
        """The table has the row as it was written. It was a page in memory; or, where it is met again, an index that
        the question took a value from."""
        if row not in self._whole:
            self._whole[row] = None
            if len(self._whole) > MAX_DAMAGED_ROWS:
                del self._whole[next(iter(self._whole))]
            return
        del self._whole[row]
        await self._writer.run(quarantine.reindex, damage.table)
        self.repaired += 1

    async def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """On the writer; a row that turns out damaged on the way is moved aside, and all is done again."""
        ask = bind(function, *args, **kwargs)
        for _ in range(MAX_DAMAGED_ROWS):
            try:
                found = await self._writer.run(or_damaged, ask)
            except StoreDamaged as failure:
                self.mark(failure)
                raise
            if not isinstance(found, Damaged):
                return found
            await self.set_aside(found)
        raise StoreDamaged("too many damaged rows")

    async def read(
        self,
        thread: ConnectionThread,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """On a reading connection; a damaged row is moved aside, and the question asked again."""
        ask = bind(function, *args, **kwargs)
        for _ in range(MAX_DAMAGED_ROWS):
            try:
                found = await thread.run(or_damaged, ask)
            except StoreDamaged as failure:
                self.mark(failure)
                raise
            if not isinstance(found, Damaged):
                return found
            await self.set_aside(found)
            await thread.run(_forget_pages)
        raise StoreDamaged("too many damaged rows")

    def mark(self, failure: StoreDamaged) -> None:
        """Remember it for the next opening, which looks through the whole file and salvages it if need be."""
        with suppress(OSError):
            mark_of(self._path).write_text(f"{failure.reason}\n")
        self.damage.set()


def bind(
    function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> Callable[[sqlite3.Connection], T]:
    """The function with all its arguments but the connection."""
    return lambda connection: function(connection, *args, **kwargs)


def or_damaged(connection: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T | Damaged:
    """What the question gives, or the damaged row that it met.

    Raised, it would hold the question's cursor for as long as somebody holds the exception, and an open cursor keeps
    its connection in the past: the row would be met again and again."""
    try:
        return ask(connection)
    except Damaged as damage:
        clear_frames(damage.__traceback__)
        return Damaged(damage.table, damage.row)


def _forget_pages(connection: sqlite3.Connection) -> None:
    """What was damaged may have been a page in this connection's memory."""
    connection.execute("PRAGMA shrink_memory")
