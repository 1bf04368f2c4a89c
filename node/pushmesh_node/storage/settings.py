"""The knobs of the store, with the reasons of their defaults."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Bounds of the write queue and of a group, and sizes of SQLite's caches."""

    queue_calls: int = 8_192
    queue_bytes: int = 64 * MIB
    """commit() raises StoreBusy above either; one call is always taken when the queue is empty."""

    group_bytes: int = 8 * MIB
    """A transaction takes calls up to this much, so that a burst cannot hold the first caller for seconds."""

    write_cache_bytes: int = 64 * MIB
    """Page cache of the writer: the inner pages and the current hour of all indexes of a few million rows."""

    read_cache_bytes: int = 16 * MIB
    """Page cache of each of the two reading connections."""

    mmap_bytes: int = 0
    """Memory-mapped part of the file. Off: an I/O error on mapped memory is a signal that ends the process."""

    checkpoint_bytes: int = 16 * MIB
    """The log is copied into the file when it has grown by this much ..."""

    idle_checkpoint_s: float = 0.2
    """... or when nothing was written for so long."""
