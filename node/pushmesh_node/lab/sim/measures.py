"""What a world is watched for: when each honest item is durable where, and whom honest nodes blame."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...engine.records import Record

NEVER = -1


@dataclass(slots=True)
class Sample:
    """One honest frame: when and where it was published, and its items' places in `Measures.items`."""

    published_us: int
    publisher: int
    size_bytes: int
    items: range
    expected: frozenset[int] | None = None
    """Nodes that must have it at the end; None for all."""


@dataclass(slots=True)
class Measures:
    """Of `nodes` honest nodes, by number. Times are since publication."""

    nodes: int
    honest: dict[bytes, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    penalties: Counter[str] = field(default_factory=Counter)
    """Invalid-message points that honest nodes gave to honest nodes, by reason."""

    rejects: Counter[str] = field(default_factory=Counter)
    """Those that they gave to others."""

    _items: dict[bytes, int] = field(default_factory=dict)
    _when: "list[array[int]]" = field(default_factory=list)

    def expect(
        self, ids: Iterable[bytes], now_us: int, publisher: int, size_bytes: int, expected: frozenset[int] | None = None
    ) -> None:
        """A frame is published now."""
        first = len(self._when)
        for each in ids:
            self._items[each] = len(self._when)
            self._when.append(array("q", [NEVER]) * self.nodes)
        self.samples.append(Sample(now_us, publisher, size_bytes, range(first, len(self._when)), expected))

    def committed(self, node: int, record: Record, now_us: int) -> None:
        """A record is durable at a node."""
        for each in record.ids:
            place = self._items.get(each)
            if place is not None and self._when[place][node] == NEVER:
                self._when[place][node] = now_us

    def blamed(self, node: int, peer: bytes, reason: str) -> None:
        """A node found that a peer sent what must be REJECTed."""
        (self.penalties if peer in self.honest else self.rejects)[reason] += 1

    def delays_us(self, sample: Sample) -> list[int]:
        """Of each node that must have it but the publisher: when the last of its items was durable there; NEVER."""
        columns = [self._when[place] for place in sample.items]
        nodes: Sequence[int] = range(self.nodes) if sample.expected is None else sorted(sample.expected)
        return [
            max(times) - sample.published_us if NEVER not in times else NEVER
            for node in nodes
            if node != sample.publisher
            for times in [[column[node] for column in columns]]
        ]

    def wanted_items(self, samples: Iterable[Sample] | None = None) -> tuple[int, int]:
        """(item, node) pairs that must be, and those that are."""
        wanted = there = 0
        for sample in self.samples if samples is None else samples:
            nodes: Sequence[int] = range(self.nodes) if sample.expected is None else sorted(sample.expected)
            for place in sample.items:
                column = self._when[place]
                wanted += len(nodes)
                there += sum([column[node] != NEVER for node in nodes])
        return wanted, there
