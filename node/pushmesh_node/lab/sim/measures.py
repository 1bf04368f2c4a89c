"""What a world is watched for: when each honest item is durable where, and whom honest nodes blame."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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

    _down: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By node: from when until when it did not run."""

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
        return [NEVER if last_us is None else last_us - sample.published_us for _, last_us in self._lasts_us(sample)]

    def waits_us(self, sample: Sample) -> list[int]:
        """The same without the time for which the node did not run: what is published meanwhile waits for the node,
        not for the protocol."""
        began_us = sample.published_us
        return [
            NEVER if last_us is None else last_us - began_us - self._down_us(node, began_us, last_us)
            for node, last_us in self._lasts_us(sample)
        ]

    def _lasts_us(self, sample: Sample) -> Iterator[tuple[int, int | None]]:
        columns = [self._when[place] for place in sample.items]
        for node in range(self.nodes) if sample.expected is None else sorted(sample.expected):
            if node != sample.publisher:
                times = [column[node] for column in columns]
                yield node, None if NEVER in times else max(times)

    def was_down(self, node: int, from_us: int, until_us: int) -> None:
        """A node runs again."""
        self._down.setdefault(node, []).append((from_us, until_us))

    def _down_us(self, node: int, from_us: int, until_us: int) -> int:
        spans = self._down.get(node, ())
        return sum([max(0, min(until_us, end_us) - max(from_us, start_us)) for start_us, end_us in spans])

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
