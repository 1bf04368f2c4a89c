"""Shows scheduled messages when their time has come. The store is the queue, so a kill loses none of it."""

import asyncio
from collections.abc import Callable

import structlog

from pushmesh_protocol.types import UnixMs

from ..engine.events import DueCame
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .driver import Driver
from .opened import Opener
from .targets import targets_of

LOOK_EVERY_S = 1.0
STEP = 256
"""Messages of one step; the next begins when this one is on the disk."""

log = structlog.get_logger()


async def show_due(driver: Driver, store: Store, opener: Opener, clock: Callable[[], UnixMs]) -> None:
    """Look once a second, until cancelled. What could not be committed stays in the store and is due again."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            while await show_step(driver, store, opener, clock()) == STEP:
                pass
        except StoreFailed as failure:
            log.error("scheduled messages cannot be read", error=str(failure))


async def show_step(driver: Driver, store: Store, opener: Opener, now_ms: UnixMs) -> int:
    """Hand at most STEP due messages to the engine and wait until that is committed, or failed; how many there were.

    Raises StoreFailed where the store cannot be read or refused the commit."""
    rows = await store.due(now_ms, STEP)
    if rows:
        failed = driver.failed_commits
        entries = [(row.commit_no, row.due_at, opener.due(row), row.late) for row in rows]
        due = [found[0].envelopes[found[1]] for _, _, found, _ in entries if found is not None]
        driver.handle(DueCame(entries, await targets_of(store, opener, due)))
        await driver.settled(driver.engine.last_commit)
        if driver.failed_commits != failed:
            raise StoreFailed("a commit failed; they stay due")
    return len(rows)
