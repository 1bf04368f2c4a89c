"""Parts that wait for a grant to become known. Bounded per peer and in all, by count and by bytes; what does not fit
is left to sync (SPEC 7.5)."""

from collections import Counter
from dataclasses import dataclass

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
    the real one would find its place taken."""

    def __init__(self) -> None:
        self._parked: dict[bytes, dict[bytes, _Parked]] = {}
        self._per_peer: Counter[bytes] = Counter()
        self._bytes_per_peer: Counter[bytes] = Counter()
        self._envelopes = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Envelopes that wait."""
        return self._envelopes

    def park(self, peer: bytes, grant_id: bytes, part: Part, now_ms: int) -> bool:
        """Keep a part until its grant comes; False where there is no room for this peer."""
        key = item_hash(part.envelopes[0])
        if key in self._parked.get(grant_id, ()):
            return True
        entry = _Parked(peer, part, now_ms + PATIENCE_MS, len(part.envelopes), _bytes_of(part))
        if not self._has_room(entry):
            return False
        self._parked.setdefault(grant_id, {})[key] = entry
        self._count(entry, 1)
        return True

    def release(self, grant_id: bytes) -> list[tuple[bytes, Part]]:
        """Take out everything that waited for this grant, with the peer that brought it."""
        waiting = self._parked.pop(grant_id, {})
        for entry in waiting.values():
            self._count(entry, -1)
        return [(entry.peer, entry.part) for entry in waiting.values()]

    def sweep(self, now_ms: int) -> int:
        """Give up on what waited too long; returns how many envelopes."""
        before = self._envelopes
        for grant_id, waiting in list(self._parked.items()):
            for key, entry in list(waiting.items()):
                if entry.until_ms <= now_ms:
                    self._count(waiting.pop(key), -1)
            if not waiting:
                del self._parked[grant_id]
        return before - self._envelopes

    def _has_room(self, entry: _Parked) -> bool:
        peer = entry.peer
        return (
            self._envelopes + entry.weight <= IN_ALL
            and self._bytes + entry.bytes <= IN_ALL_BYTES
            and self._per_peer[peer] + entry.weight <= PER_PEER
            and self._bytes_per_peer[peer] + entry.bytes <= PER_PEER_BYTES
        )

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
