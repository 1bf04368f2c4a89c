"""Lets go of items before their end where a set has more than its bounds, the soonest end first.

What a set holds is always everything that ends after its floor: peers compare from there up, so pruning never looks
like a gap. The floor is at most a day ahead, and never passes an item that a receipt or an open epoch still needs;
what finds no room then is refused on its way in. Runs on the writer's thread.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from . import bulk
from .expiry import remove_items
from .promises import Promises
from .sums import FLOORS, checked, with_sum
from .tally import Amount, amount_of

DAY_MS = 86_400_000
FLOOR_AHEAD_MS = DAY_MS
"""No floor is further ahead (SPEC 9)."""

NONE = 2**62

_SOONEST = """SELECT first_commit, count, size, expires_at, issued_at, origin FROM items
    WHERE shard = ? AND expires_at <= ? ORDER BY expires_at, first_commit LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one set. NONE where there is no bound."""

    envelopes: int = NONE
    bytes: int = NONE
    age_ms: int = NONE


@dataclass(frozen=True, slots=True)
class Excess:
    """What is too much in one set, and since when it was issued what is too old."""

    envelopes: int
    bytes: int
    issued_before_ms: int

    @property
    def is_any(self) -> bool:
        """Whether anything may have to go."""
        return self.envelopes > 0 or self.bytes > 0 or self.issued_before_ms > 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a step removed of each set, and the floors that rose."""

    sets: Mapping[int, Amount]
    floors: Mapping[int, int]


def excess_of(amount: Amount, total: Amount, bounds: Bounds, over_bytes: int, now_ms: int) -> Excess:
    """Of one set; of what the whole store has too much, `over_bytes`, it bears its share by size."""
    share = -(-over_bytes * amount.bytes // total.bytes) if over_bytes > 0 and total.bytes else 0
    return Excess(
        amount.envelopes - bounds.envelopes, max(amount.bytes - bounds.bytes, share), max(0, now_ms - bounds.age_ms)
    )


def prune(
    connection: sqlite3.Connection, excesses: Mapping[int, Excess], now_ms: int, needed_since_ms: int, limit: int
) -> Pruned:
    """Remove at most `limit` items of each set that has too much, and raise its floor, in one transaction.

    What was issued since `needed_since_ms` is needed by an open epoch. Raises Damaged: of a row that does not say any
    more what was promised nothing is concluded."""
    promises = Promises(connection)
    found = {
        shard: rows
        for shard, excess in excesses.items()
        if (rows := _soonest(connection, shard, excess, promises, now_ms, needed_since_ms, limit))
    }
    if not found:
        return Pruned({}, {})
    connection.execute("BEGIN IMMEDIATE")
    try:
        for rows in found.values():
            remove_items(connection, [(first, first + count) for first, count, *_rest in rows])
        known = read_floors(connection)
        floors = {shard: max(rows[-1][3] + 1, known.get(shard, 0)) for shard, rows in found.items()}
        bulk.insert(connection, FLOORS.replace, [with_sum(floor) for floor in floors.items()])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    amounts = {shard: amount_of([(row[1], row[2]) for row in rows]) for shard, rows in found.items()}
    return Pruned(amounts, floors)


def read_floors(connection: sqlite3.Connection) -> dict[int, int]:
    """By set: everything that it should hold and that ends then or later is there. Raises Damaged."""
    return dict(checked(FLOORS, connection.execute(FLOORS.select)))


def _soonest(
    connection: sqlite3.Connection,
    shard: int,
    excess: Excess,
    promises: Promises,
    now_ms: int,
    needed_since_ms: int,
    limit: int,
) -> list[tuple[int, ...]]:
    """The items that go: from the soonest end on, up to the first that is needed or no longer too much."""
    envelopes, size = excess.envelopes, excess.bytes
    chosen: list[tuple[int, ...]] = []
    for row in connection.execute(_SOONEST, (shard, now_ms + FLOOR_AHEAD_MS, limit)):
        first, count, length, _expires_at, issued_at, origin = row
        is_too_much = envelopes > 0 or size > 0 or issued_at < excess.issued_before_ms
        if not is_too_much or issued_at >= needed_since_ms or promises.kept_until(first, first + count) > now_ms:
            break
        if origin is not None and promises.kept_until(origin, origin + 1) > now_ms:  # as inboxes show it
            break
        chosen.append(row)
        envelopes -= count
        size -= length
    return chosen
