"""How fast this node gives something away to all peers together, so that whoever asks for everything again and again
can fill neither the line that gossip needs nor the node's time. Pure: the time is an argument."""

from typing import Final

SERVED_BYTES_PER_S: Final = 6 * 1024 * 1024
"""Of its store: half of a line of 100 Mbit/s: an hour of traffic at 200/s, nearly all of it in batches, in some half a
minute. One asker alone can hardly verify more."""

BURST_S: Final = 2.0
"""After a rest so many seconds' worth goes out at once."""

FREE_BYTES: Final = 64 * 1024
"""What a stream is given first is not made to wait: whoever misses little has it at once."""

WORK_US_PER_S: Final = 300_000
"""Of its loop, to compare sets: publishers, wallets and gossip have the rest."""

LONGEST_WAIT_S: Final = 20.0
"""Whoever would wait longer is told to come again: an asker waits no more than half a minute."""


class ServingPace:
    """One for the node and each thing that it gives: who asks has its turn in the order of asking, one piece at a
    time."""

    def __init__(self, per_s: int = SERVED_BYTES_PER_S, free: int = FREE_BYTES) -> None:
        self._per_s = per_s
        self._free = free
        self._free_s = float("-inf")  # when all that was allowed so far has gone out at this pace

    def wait_s(self, given: int, size: int, now_s: float) -> float:
        """How long to wait before an answer of `size` on a stream that was given so much before. Raises TimeoutError
        where that is too long; then nothing is given."""
        free_s = max(self._free_s, now_s - BURST_S) + size / self._per_s
        is_free = given + size <= self._free
        if free_s > now_s + LONGEST_WAIT_S and not is_free:
            raise TimeoutError("too many ask for too much")
        self._free_s = free_s
        return 0.0 if is_free else max(0.0, free_s - now_s)
