"""When what is held expires, soonest first, so that a sweep costs what it removes and never a walk over everything."""

import heapq
from collections.abc import Iterable, Iterator

from pushmesh_protocol.types import EnvelopeId


class Expiries:
    """Ids by the time at which they expire. What was let go of earlier comes up once more; the holder skips it."""

    def __init__(self, entries: Iterable[tuple[int, EnvelopeId]] = ()) -> None:
        self._heap = list(entries)
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, expires_at: int, envelope_id: EnvelopeId) -> None:
        """Note one id; twice is two entries."""
        heapq.heappush(self._heap, (expires_at, envelope_id))

    def due(self, now_ms: int) -> Iterator[EnvelopeId]:
        """Take out everything that is not live after `now_ms`."""
        while self._heap and self._heap[0][0] <= now_ms:
            yield heapq.heappop(self._heap)[1]

    def soonest(self) -> EnvelopeId:
        """Take out the one that expires first. Raises IndexError where there is none."""
        return heapq.heappop(self._heap)[1]
