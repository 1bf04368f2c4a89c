"""The budget of signature checks per peer and second (SPEC 7.8): a token bucket each."""

MILLI = 1_000


class Budget:
    """Each peer may spend `per_s` checks a second and save up two seconds of them, but always `least`, so that one
    full frame can pass; peers that are idle are forgotten."""

    SAVED_S = 2
    REMEMBERED_PEERS = 4_096

    def __init__(self, per_s: int, *, least: int = 1) -> None:
        self._per_s = per_s
        self._most_milli = max(per_s * self.SAVED_S, least) * MILLI
        self._left_milli: dict[bytes, tuple[int, int]] = {}

    def __len__(self) -> int:
        """Peers that are remembered."""
        return len(self._left_milli)

    def take(self, peer: bytes, checks: int, now_ms: int) -> bool:
        """Spend so many checks; False, and nothing spent, where the peer has not that many."""
        left = self._refilled(peer, now_ms)
        enough = checks * MILLI <= left
        self._left_milli[peer] = (left - checks * MILLI if enough else left, now_ms)
        if len(self._left_milli) > self.REMEMBERED_PEERS:
            self._forget_full(now_ms)
        return enough

    def _refilled(self, peer: bytes, now_ms: int) -> int:
        left, since = self._left_milli.get(peer, (self._most_milli, now_ms))
        return min(self._most_milli, left + max(0, now_ms - since) * self._per_s)

    def _forget_full(self, now_ms: int) -> None:
        full = [peer for peer in self._left_milli if self._refilled(peer, now_ms) == self._most_milli]
        for peer in full:
            del self._left_milli[peer]
