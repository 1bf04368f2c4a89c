"""How fast this node gives its store away to all peers together, so that whoever asks for everything again and again
cannot fill the line that gossip needs. Pure: the time is an argument."""

from typing import Final

SERVED_BYTES_PER_S: Final = 6 * 1024 * 1024
"""Half of a line of 100 Mbit/s: an hour of traffic at 200/s, nearly all of it in batches, in some half a minute. One
asker alone can hardly verify more."""

BURST_S: Final = 2.0
"""After a rest so many seconds' worth goes out at once."""

FREE_BYTES: Final = 64 * 1024
"""What a stream is given first is not made to wait: whoever misses little has it at once."""

LONGEST_WAIT_S: Final = 20.0
"""Whoever would wait longer is told to come again: an asker waits no more than half a minute."""


class ServingPace:
    """One for the node: who asks has its turn in the order of asking, one page at a time."""

    def __init__(self, bytes_per_s: int = SERVED_BYTES_PER_S) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_s = float("-inf")  # when all that was allowed so far has gone out at this pace

    def wait_s(self, given_bytes: int, size_bytes: int, now_s: float) -> float:
        """How long to wait before an answer of `size_bytes` on a stream that was given so many before. Raises
        TimeoutError where that is too long; then nothing is given."""
        free_s = max(self._free_s, now_s - BURST_S) + size_bytes / self._bytes_per_s
        is_free = given_bytes + size_bytes <= FREE_BYTES
        if free_s > now_s + LONGEST_WAIT_S and not is_free:
            raise TimeoutError("too many ask for too much")
        self._free_s = free_s
        return 0.0 if is_free else max(0.0, free_s - now_s)
