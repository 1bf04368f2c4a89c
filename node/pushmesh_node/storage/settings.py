"""The knobs of the store, with the reasons of their defaults."""

from dataclasses import dataclass

from .retention import NONE

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

    log_bytes: int = 64 * MIB
    """A commit that finds the log larger copies it into the file itself. Larger than a few seconds of writes, because a
    page that is written often is then copied once; not larger, because reads look through the log first."""

    checkpoint_interval_s: float = 5.0
    """At most so long after a write the log is copied beside the writer, which spares the slowest commits half of their
    time. Rarely, as each copy is a sync of the whole file: with eight nodes on one disk, each second, commits waited
    three times as long."""

    checkpoint_bytes: int = 24 * MIB
    """Sooner where the log would grow beyond this: far below `log_bytes`."""

    budget_bytes: int = 0
    """Of the file in use; 0 is none. Above it items go before their end, and what finds no room is refused."""

    min_free_bytes: int = 0
    """What the disk must have left, or nothing new is taken: letting go needs room too."""

    max_envelopes: int = NONE
    """Of each set, likewise."""

    max_bytes: int = NONE
    """The same in bytes of frames."""

    max_age_ms: int = NONE
    """What was issued longer ago goes before its end, as far as its set's order lets it."""

    @property
    def prune_to_bytes(self) -> int:
        """Pruning begins well before anything is refused: at nine tenths of the budget."""
        return self.budget_bytes * 9 // 10
