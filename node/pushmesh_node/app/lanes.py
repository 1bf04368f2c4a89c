"""What waits on the way in, in one lane for each source, so that a flood of one cannot hold up the others. Pure: no
waiting, no clock."""

from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from typing import Final

from ..engine.events import CaughtUp, Gossiped, Source
from .offers import Entry

BATCH_ENVELOPES = 512
"""A batch takes its share of what waits, so that the stages overlap, but entries of at most so many envelopes."""

MIXED_BATCH_ENVELOPES = 256
"""At most, while several lanes wait: those whose turn comes next are behind all batches under way."""

BATCHES_AHEAD = 4
"""Batches that may be verified before the oldest is decided."""


class Lane(IntEnum):
    """Where something comes from."""

    PUBLISHED = 0
    GOSSIPED = 1
    SYNCED = 2


SHARES: Final = {Lane.PUBLISHED: 4, Lane.GOSSIPED: 3, Lane.SYNCED: 1}
"""Eighths of what a node can do that each lane gets while all of them wait; what one leaves goes to the others."""

LEAST_BATCH_ENVELOPES: Final = {Lane.PUBLISHED: 32, Lane.GOSSIPED: 256, Lane.SYNCED: 32}
"""A batch has at least so many while they wait. What gossip brings was verified before it came, so that there is
nothing to overlap with: the frames that came together are looked up, decided and committed together."""

ROOM_PARTS: Final = {Lane.PUBLISHED: 1, Lane.GOSSIPED: 2, Lane.SYNCED: 4}
"""Of the bound on envelopes each lane may have the whole, the half and the quarter."""


def lane_of(source: Source) -> Lane:
    """The lane of an entry."""
    if isinstance(source, CaughtUp):
        return Lane.SYNCED
    return Lane.GOSSIPED if isinstance(source, Gossiped) else Lane.PUBLISHED


@dataclass(slots=True)
class _Queue:
    entries: list[tuple[float, int, Entry]] = field(default_factory=list)
    """A heap by when they are due and how they came."""
    waiting: int = 0
    held: int = 0
    passed: float = 0.0
    """What was taken from it, by its share; one that had nothing to give does not catch up."""


class Lanes:
    """Entries until they are decided; counts are of envelopes."""

    def __init__(self, max_envelopes: int) -> None:
        self._most = {lane: max(1, max_envelopes // part) for lane, part in ROOM_PARTS.items()}
        self._queues = {lane: _Queue() for lane in Lane}
        self._numbers = count()

    def __bool__(self) -> bool:
        """Whether anything waits for a batch."""
        return any(queue.entries for queue in self._queues.values())

    @property
    def waiting(self) -> int:
        """Envelopes that wait for a batch, on all lanes."""
        return sum([queue.waiting for queue in self._queues.values()])

    def held(self, lane: Lane) -> int:
        """What waits, or is in a batch that is not decided."""
        return self._queues[lane].held

    def room(self, lane: Lane) -> bool:
        """Whether anything more may come in on this lane now."""
        return self._queues[lane].held < self._most[lane]

    def put(self, entry: Entry) -> None:
        """Behind all on its lane that is due before it, or at the same time and came before."""
        queue = self._queues[lane_of(entry.source)]
        if not queue.entries:
            busy = [other.passed for other in self._queues.values() if other.entries]
            queue.passed = max(queue.passed, min(busy, default=0.0))
        heappush(queue.entries, (entry.due_s, next(self._numbers), entry))
        queue.waiting += entry.envelopes
        queue.held += entry.envelopes

    def next_batch(self) -> list[Entry]:
        """Entries of the lane whose turn it is, in the order in which they are due; an entry is never torn. Not to be
        called while nothing waits."""
        waiting = [lane for lane in Lane if self._queues[lane].entries]
        lane = min(waiting, key=lambda each: self._queues[each].passed)
        queue = self._queues[lane]
        most = BATCH_ENVELOPES if len(waiting) == 1 else MIXED_BATCH_ENVELOPES
        most = min(most, max(LEAST_BATCH_ENVELOPES[lane], queue.waiting // BATCHES_AHEAD))
        batch = [heappop(queue.entries)[2]]
        envelopes = batch[0].envelopes
        while queue.entries and envelopes + queue.entries[0][2].envelopes <= most:
            batch.append(heappop(queue.entries)[2])
            envelopes += batch[-1].envelopes
        queue.waiting -= envelopes
        queue.passed += envelopes / SHARES[lane]
        return batch

    def decided(self, batch: list[Entry]) -> None:
        """A batch is done with."""
        self._queues[lane_of(batch[0].source)].held -= sum([entry.envelopes for entry in batch])
