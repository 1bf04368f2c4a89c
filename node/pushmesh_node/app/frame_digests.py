"""Which frames came onto this node's disk lately, by their digests: what catch-up tells and asks by, so that peers who
hold the same need not send it. Bounded; never asks the store."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from pushmesh_protocol.hashing import sha256

from ..engine.records import Record
from ..gossip.rotating import RotatingSet

DIGEST_BYTES: Final = 16
CAPACITY: Final = 131_072
OVER_KEPT: Final = 16_384


def digest_of(frame: bytes) -> bytes:
    """Of a stored frame: the first bytes of its SHA-256. Who finds two frames with one digest hides his own."""
    return sha256(frame)[:DIGEST_BYTES]


class FrameDigests:
    """At least the latest `capacity` frames after commit number `since`, and at most twice as many."""

    def __init__(self, since: int, capacity: int = CAPACITY) -> None:
        self._since = since
        self._capacity = capacity
        self._lasts: list[int] = []  # the last commit number of each frame, ascending
        self._digests: list[bytes] = []
        self._held: set[bytes] = set()
        self._over = RotatingSet(OVER_KEPT)

    def __contains__(self, digest: bytes) -> bool:
        """Whether nobody need bring this frame: it is here, or it came when it was over."""
        return digest in self._held or digest in self._over

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, records: Iterable[Record]) -> None:
        """Records that are durable now; commits end in the order of their numbers."""
        for record in records:
            digest = digest_of(record.data)
            self._lasts.append(record.first_commit + record.count - 1)
            self._digests.append(digest)
            self._held.add(digest)
        if len(self._digests) >= 2 * self._capacity:
            self._forget(len(self._digests) - self._capacity)

    def let_go(self, frame: bytes, expires_ats: Iterable[int], now_ms: int) -> None:
        """A frame that catch-up brought, with what it holds; where all of that is over no other peer is asked for
        it."""
        if max(expires_ats, default=now_ms + 1) <= now_ms:
            self._over.update([digest_of(frame)])

    def _forget(self, count: int) -> None:
        self._since = self._lasts[count - 1]
        self._held.difference_update(self._digests[:count])
        del self._lasts[:count], self._digests[:count]

    def after(self, commit_no: int, most: int) -> tuple[list[bytes], int, bool] | None:
        """The next digests after a commit number, the number up to which they tell everything, and whether there are
        more; None where that is longer ago than is remembered."""
        if commit_no < self._since:
            return None
        start = bisect_right(self._lasts, commit_no)
        end = min(len(self._lasts), start + most)
        return self._digests[start:end], self._lasts[end - 1] if end > start else commit_no, end < len(self._lasts)
