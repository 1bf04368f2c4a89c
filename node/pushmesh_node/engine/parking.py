"""Parts that wait for a grant to become known. Bounded per peer and in all; what does not fit is left to sync
(SPEC 7.5)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pushmesh_protocol.frames import Part

PER_PEER = 1_024
IN_ALL = 16_384
PATIENCE_MS = 600_000


@dataclass(frozen=True, slots=True)
class _Parked:
    peer: bytes
    part: Part
    until_ms: int


class Parking:
    """The park buffer: parts by the grant that they wait for and by their first envelope's id."""

    def __init__(self) -> None:
        self._parked: dict[bytes, dict[bytes, _Parked]] = {}
        self._per_peer: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return self._per_peer.total()

    def park(self, peer: bytes, grant_id: bytes, part: Part, now_ms: int) -> bool:
        """Keep a part until its grant comes; False where there is no room for this peer."""
        waiting = self._parked.get(grant_id, {})
        if part.envelopes[0].id in waiting:
            return True
        if len(self) >= IN_ALL or self._per_peer[peer] >= PER_PEER:
            return False
        self._parked.setdefault(grant_id, waiting)[part.envelopes[0].id] = _Parked(peer, part, now_ms + PATIENCE_MS)
        self._per_peer[peer] += 1
        return True

    def release(self, grant_id: bytes) -> list[tuple[bytes, Part]]:
        """Take out everything that waited for this grant, with the peer that brought it."""
        waiting = self._parked.pop(grant_id, {})
        self._leave(waiting.values())
        return [(parked.peer, parked.part) for parked in waiting.values()]

    def sweep(self, now_ms: int) -> int:
        """Give up on what waited too long; returns how many."""
        count = 0
        for grant_id, waiting in list(self._parked.items()):
            gone = [key for key, parked in waiting.items() if parked.until_ms <= now_ms]
            self._leave([waiting.pop(key) for key in gone])
            count += len(gone)
            if not waiting:
                del self._parked[grant_id]
        return count

    def _leave(self, parked: Iterable[_Parked]) -> None:
        for entry in parked:
            self._per_peer[entry.peer] -= 1
            if not self._per_peer[entry.peer]:
                del self._per_peer[entry.peer]
