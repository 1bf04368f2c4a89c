"""Opens the connections of a store, and reads where it stands. What is damaged there and can be done without is moved
aside; of the rest whoever opens the store is told."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .derived import Remake
from .errors import StoreDamaged
from .files import Meta, check_can_open, drop_cut_log, is_suspect, prepare_reader, write_log_again
from .mending import MAX_DAMAGED_ROWS, bind, or_damaged
from .quarantine import set_aside
from .receipts import Issuer, ReceiptChain, read_chain
from .settings import StoreSettings
from .sums import FLOORS, RECEIPTS, Damaged
from .thread import ConnectionThread


@dataclass(frozen=True, slots=True)
class Started:
    """The writer first, and four that read; what stands in the file; rows that were moved aside on the way."""

    threads: Sequence[ConnectionThread]
    meta: Meta
    receipts: ReceiptChain | None
    quarantined: int


async def start(
    path: Path,
    prepare: Callable[..., Meta],
    settings: StoreSettings,
    issuer: Issuer | None,
    remake: Remake | None,
) -> Started:
    """No thread is left behind where one fails. Raises Damaged for a row that the whole file rests on."""
    threads: list[ConnectionThread] = []
    try:
        drop_cut_log(path)
        suspect = is_suspect(path)
        check_can_open(path)
        threads.append(writer := await ConnectionThread.start(path))
        await writer.run(lambda _untouched: write_log_again(path))  # before SQLite looks at it
        meta, receipts, quarantined = await _prepared(
            writer, partial(prepare, path=path, is_suspect=suspect), issuer, remake
        )
        for _other in range(4):
            threads.append(other := await ConnectionThread.start(path))
            await other.run(prepare_reader, settings)
    except BaseException:
        for thread in threads:
            await thread.close()
        raise
    return Started(threads, meta, receipts, quarantined)


async def _prepared(
    writer: ConnectionThread, prepare: Callable[..., Meta], issuer: Issuer | None, remake: Remake | None
) -> tuple[Meta, ReceiptChain | None, int]:
    """What stands in the file, and where its receipts end; a damaged row that the rest can do without is moved
    aside."""
    keep_ms = 0 if issuer is None else issuer.keep_ms
    for moved in range(MAX_DAMAGED_ROWS):
        found = await writer.run(or_damaged, bind(_look, prepare, issuer))
        if not isinstance(found, Damaged):
            return *found, moved
        if found.table not in (FLOORS, RECEIPTS):
            raise found
        await writer.run(set_aside, found, time.time_ns() // 1_000_000, remake, keep_ms)
    raise StoreDamaged("too many damaged rows")


def _look(
    connection: sqlite3.Connection, prepare: Callable[..., Meta], issuer: Issuer | None
) -> tuple[Meta, ReceiptChain | None]:
    meta = prepare(connection)
    receipts = None if issuer is None else read_chain(connection, issuer, meta.incarnation, meta.last_commit)
    return meta, receipts
