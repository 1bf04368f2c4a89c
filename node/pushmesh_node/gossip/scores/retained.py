"""Peers that left and are retained, for a time and in a bounded number. It counts no deeds and computes no score."""

from collections import Counter
from collections.abc import Callable

from ..parameters import ScoreParameters
from .reputation import Reputation


class RetainedPeers:
    """Reputations as they were when their peers left, in that order."""

    def __init__(self, parameters: ScoreParameters) -> None:
        self._parameters = parameters
        self._retained: dict[bytes, Reputation] = {}

    def __len__(self) -> int:
        return len(self._retained)

    def get(self, peer: bytes) -> Reputation | None:
        """It stays in."""
        return self._retained.get(peer)

    def take(self, peer: bytes) -> Reputation | None:
        """It came back: it is retained no more."""
        return self._retained.pop(peer, None)

    def keep(self, peer: bytes, held: Reputation, now_ms: int, score_of: Callable[[bytes], float]) -> None:
        """For `retain_ms` from now on; where there are too many, whichever is least needed by its score goes."""
        held.left_ms = now_ms
        self._retained[peer] = held
        if len(self._retained) > self._parameters.max_retained:
            del self._retained[self._least_needed(score_of)]

    def _least_needed(self, score_of: Callable[[bytes], float]) -> bytes:
        """The least bad; among graylisted ones, all bad enough, one of the most crowded host, and there the latest.

        So nobody pushes out an older memory by being worse, and many identities of one host push out each other."""
        crowds = Counter(held.host for held in self._retained.values())
        graylisted = self._parameters.graylist_threshold

        def ease(peer: bytes) -> tuple[float, int]:
            return max(score_of(peer), graylisted), crowds[self._retained[peer].host]

        return max(reversed(self._retained), key=ease)  # of equal ones the first that it meets

    def forget_late(self, now_ms: int) -> None:
        """Those whose time is over."""
        late = [peer for peer, held in self._retained.items() if now_ms - held.left_ms >= self._parameters.retain_ms]
        for peer in late:
            del self._retained[peer]
