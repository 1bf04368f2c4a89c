"""Parts that wait for a grant to become known. Bounded per peer and in all, by count and by bytes; what does not fit
is left to sync (SPEC 7.5)."""

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from pushmesh_protocol.envelope import item_hash
from pushmesh_protocol.frames import Part

PER_PEER = 1_024
IN_ALL = 16_384
PER_PEER_BYTES = 4 * 1024 * 1024
IN_ALL_BYTES = 64 * 1024 * 1024
PATIENCE_MS = 600_000
OVERHEAD_BYTES = 1_024
"""What an envelope weighs beside its body, from above for all but a contract's signature."""


@dataclass(frozen=True, slots=True)
class _Parked:
    peer: bytes
    part: Part
    until_ms: int
    weight: int
    bytes: int


class Parking:
    """The park buffer: parts by the grant that they wait for and by their first item hash.

    By item hash and not by id, which leaves the auth out: an id could be taken by somebody who cannot sign it, and
    the real one would find its place taken. Where it is full, whoever brought least finds room at the cost of whoever
    brought most, as made-up grants cost nothing to name."""

    def __init__(self) -> None:
        self._parked: dict[bytes, dict[bytes, _Parked]] = {}
        self._brought: dict[bytes, dict[tuple[bytes, bytes], None]] = {}  # by peer, the oldest first
        self._per_peer: Counter[bytes] = Counter()
        self._bytes_per_peer: Counter[bytes] = Counter()
        self._largest: list[tuple[int, bytes]] = []  # a heap of (-bytes, peer), each at least as large as it is now
        self._envelopes = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Envelopes that wait."""
        return self._envelopes

    def park(self, peer: bytes, grant_id: bytes, part: Part, now_ms: int) -> bool:
        """Keep a part until its grant comes; False where there is no room for this peer.

        What somebody brought counts for the next who brings it, where that one has less: else who fills the buffer
        could take what honest peers bring down with him."""
        key = item_hash(part.envelopes[0])
        entry = _Parked(peer, part, now_ms + PATIENCE_MS, len(part.envelopes), _bytes_of(part))
        if not self._has_share(entry):
            return key in self._parked.get(grant_id, ())
        old = self._parked.get(grant_id, {}).get(key)
        if old is not None and not self._has_less(entry, old.peer):
            return True
        if old is not None:
            self._remove(grant_id, key)
        elif not self._make_room(entry):
            return False
        self._parked.setdefault(grant_id, {})[key] = entry
        self._brought.setdefault(peer, {})[grant_id, key] = None
        self._count(entry, 1)
        self._note_size(peer)
        return True

    def release(self, grant_id: bytes) -> list[tuple[bytes, Part]]:
        """Take out everything that waited for this grant, with the peer that brought it."""
        keys = list(self._parked.get(grant_id, ()))
        return [(entry.peer, entry.part) for entry in [self._remove(grant_id, key) for key in keys]]

    def sweep(self, now_ms: int) -> int:
        """Give up on what waited too long; returns how many envelopes."""
        before = self._envelopes
        for grant_id, waiting in list(self._parked.items()):
            for key, entry in list(waiting.items()):
                if entry.until_ms <= now_ms:
                    self._remove(grant_id, key)
        return before - self._envelopes

    def _remove(self, grant_id: bytes, key: bytes) -> _Parked:
        waiting = self._parked[grant_id]
        entry = waiting.pop(key)
        if not waiting:
            del self._parked[grant_id]
        brought = self._brought[entry.peer]
        del brought[grant_id, key]
        if not brought:
            del self._brought[entry.peer]
        self._count(entry, -1)
        return entry

    def _has_share(self, entry: _Parked) -> bool:
        return (
            self._per_peer[entry.peer] + entry.weight <= PER_PEER
            and self._bytes_per_peer[entry.peer] + entry.bytes <= PER_PEER_BYTES
        )

    def _has_room(self, entry: _Parked) -> bool:
        return self._envelopes + entry.weight <= IN_ALL and self._bytes + entry.bytes <= IN_ALL_BYTES

    def _has_less(self, entry: _Parked, other: bytes) -> bool:
        """Whether its peer, with it, still has less than the other."""
        return self._bytes_per_peer[entry.peer] + entry.bytes < self._bytes_per_peer[other]

    def _make_room(self, entry: _Parked) -> bool:
        while not self._has_room(entry):
            largest = self._find_largest()
            if largest is None or not self._has_less(entry, largest):
                return False
            self._remove(*next(iter(self._brought[largest])))
        return True

    def _note_size(self, peer: bytes) -> None:
        heappush(self._largest, (-self._bytes_per_peer[peer], peer))
        if len(self._largest) > 4 * len(self._brought) + 1_024:
            self._largest = [(-size, each) for each, size in self._bytes_per_peer.items()]
            heapify(self._largest)

    def _find_largest(self) -> bytes | None:
        while self._largest:
            noted, peer = self._largest[0]
            now = self._bytes_per_peer[peer]
            if now == -noted:
                return peer
            heappop(self._largest)
            if 0 < now < -noted:
                heappush(self._largest, (-now, peer))
        return None

    def _count(self, entry: _Parked, sign: int) -> None:
        self._envelopes += sign * entry.weight
        self._bytes += sign * entry.bytes
        self._per_peer[entry.peer] += sign * entry.weight
        self._bytes_per_peer[entry.peer] += sign * entry.bytes
        if not self._per_peer[entry.peer]:
            del self._per_peer[entry.peer], self._bytes_per_peer[entry.peer]


def _bytes_of(part: Part) -> int:
    bodies = sum(len(envelope.body_bytes) for envelope in part.envelopes)
    return bodies + len(part.envelopes) * OVERHEAD_BYTES
