"""Into how many ranges a range is split whose fingerprints differ: a matter of taste between bytes and round trips, on
which two peers need not agree."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class FanOut:
    """Splits so that after some steps of about equal width lists of `usual_list` ids remain.

    A difference among n records takes log(n / usual_list) / log(most_ways) messages, rounded up, and a list. Each of
    them takes about 21 bytes for each way, and the list 32 for each id. Neither side knows how many records the other
    has in a range: up to `longest_list` are listed, so that a few more than usual do not cost one more message.
    """

    most_ways: int = 12
    """At least 2."""
    usual_list: int = 8
    """At least 1."""
    longest_list: int = 12
    """At least as many."""

    def __post_init__(self) -> None:
        if self.most_ways < 2 or not 1 <= self.usual_list <= self.longest_list:
            raise ValueError("a range is split into two at least, and a list has room for one")

    def ways(self, records: int) -> int:
        """Into how many ranges so many records are split; 1: they are listed."""
        return _ways(records, self.most_ways, self.usual_list, self.longest_list)


@lru_cache(maxsize=4096)
def _ways(records: int, most_ways: int, usual_list: int, longest_list: int) -> int:
    steps, reached = 0, longest_list
    while reached < records:
        steps, reached = steps + 1, reached * most_ways
    if steps == 0:
        return 1
    ways = 2
    while ways < most_ways and usual_list * ways**steps < records:
        ways += 1
    return ways
