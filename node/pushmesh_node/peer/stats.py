"""Counters of the gossip process between two `Stats` messages. Names and labels are from closed lists."""

from collections import Counter

from ..ipc import Stats


class Counters:
    """Increments by (name, label); `drain` hands them over once."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, label: str = "", n: int = 1) -> None:
        """`n` at least 0."""
        self._counts[(name, label)] += n

    def drain(self, gauges: list[tuple[str, str, int]]) -> Stats:
        """Everything counted since the last call, with the present gauges."""
        counters = [(name, label, n) for (name, label), n in sorted(self._counts.items())]
        self._counts.clear()
        return Stats(counters, gauges)
