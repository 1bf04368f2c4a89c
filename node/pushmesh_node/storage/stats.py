"""Counters of the store, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What the store holds and has done. Counts since open(), but for `items`, `last_commit` and the sizes."""

    items: int
    last_commit: int
    file_bytes: int
    wal_bytes: int
    queued_calls: int
    queued_bytes: int
    transactions: int
    """Committed write transactions; each costs one fsync of the log."""
    calls: int
    """commit() calls that became durable; calls / transactions is what group commit saves."""
    writes: int
    failed_transactions: int
    busy_refusals: int
    checkpoints: int
    quarantined: int
    """Damaged rows that were moved aside."""
    repaired: int
    """Rows that were lost beside an item and made again from it."""
