"""What a node remembers of one peer from session to session: refused ids, and how much of what it gave was good (SPEC
9.12). Bounded; pure."""

from collections.abc import Iterable
from typing import Final

from pushmesh_protocol.reasons import Reason

from .words import BucketName

MAX_SETTLED: Final = 65_536
"""Ids that are not asked of the peer again. One that makes a node remember more gives nothing worth having."""

JUDGED_FROM: Final = 256
"""Transfers after which a peer can be poisoned."""

MEMORY_MS: Final = 3_600_000
"""After so long the peer has another try."""

HASHES_EVERY_MS: Final = 86_400_000

GOOD: Final = frozenset({Reason.OK, Reason.DUPLICATE, Reason.SLOT_VOID, Reason.SURPLUS})
"""What the peer is not to blame for and has given."""

PASSING: Final = frozenset(
    {
        Reason.EXPIRED,
        Reason.AHEAD_OF_TIME,
        Reason.QUEUE_FULL,
        Reason.STORE_FULL,
        Reason.STORE_FAILED,
        Reason.CHAIN_UNAVAILABLE,
        Reason.INTERNAL,
    }
)
"""Time, load or the disk can mend it: asked for again in a later round."""

REST_MS: Final = 45_000
"""Where all that the peer has more was dealt with before, a bucket differs for good, and each round would find that out
anew: it is left out of two or three."""

FOREIGN: Final = frozenset({Reason.UNKNOWN_KIND, Reason.UNKNOWN_SCHEME})
"""A later protocol's; not asked for again, and nobody's fault."""


class PeerMemory:
    """Of one peer, since `since_ms`."""

    def __init__(self, since_ms: int, hashed_ms: int | None = None) -> None:
        self.since_ms = since_ms
        self.accepted = 0
        self.refused = 0
        self.is_poisoned = False
        """Stays so."""

        self.hashed_ms = hashed_ms
        """When whole buckets were compared last."""

        self._refused: set[bytes] = set()
        self._settled: set[bytes] = set()
        self._rests: dict[BucketName, int] = {}

    def is_settled(self, id_: bytes) -> bool:
        """Whether it is not to be asked of this peer."""
        return id_ in self._refused or id_ in self._settled

    def settle(self, id_: bytes) -> None:
        """Ask it no more: it is held. Where there are too many such, all are forgotten, and looked up again."""
        if len(self._settled) >= MAX_SETTLED:
            self._settled.clear()
        self._settled.add(id_)

    def rest(self, names: Iterable[BucketName], now_ms: int) -> None:
        """These were reconciled, and there was nothing to be had."""
        self._rests = {name: until_ms for name, until_ms in self._rests.items() if until_ms > now_ms}
        self._rests.update(dict.fromkeys(names, now_ms + REST_MS))

    def rests(self, name: BucketName, now_ms: int) -> bool:
        """Whether it is not to be reconciled with this peer now."""
        return self._rests.get(name, 0) > now_ms

    def answered(self, id_: bytes, reason: Reason | None) -> bool:
        """What became of an id that was asked for, None where nothing came; whether it is dealt with."""
        if reason in PASSING:
            return False
        if reason in GOOD:
            self.accepted += 1
            if reason is not Reason.OK:
                self.settle(id_)
            return True
        self._refused.add(id_)
        if reason not in FOREIGN:
            self.refused += 1
        return True

    def judge(self) -> bool:
        """Whether the peer counts no more. To be asked when all that came at once was answered."""
        transfers = self.accepted + self.refused
        is_bad = transfers >= JUDGED_FROM and 2 * self.accepted < transfers
        if is_bad or len(self._refused) > MAX_SETTLED:
            self.is_poisoned = True
        if self.is_poisoned:  # nothing is asked of it any more, so that there is nothing to remember
            self._refused.clear()
            self._settled.clear()
        return self.is_poisoned
