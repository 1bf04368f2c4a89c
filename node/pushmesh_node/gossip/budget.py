"""The budget of signature checks per peer and second (SPEC 7.8): a token bucket each."""


class Budget:
    """Each peer may spend `per_s` checks a second and save up ten seconds of them; peers that are idle are
    forgotten."""

    SAVED_S = 10

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left: dict[bytes, tuple[float, int]] = {}

    def take(self, peer: bytes, checks: int, now_ms: int) -> bool:
        """Spend so many checks; False, and nothing spent, where the peer has not that many."""
        most = float(self._per_s * self.SAVED_S)
        left, since = self._left.get(peer, (most, now_ms))
        left = min(most, left + max(0, now_ms - since) * self._per_s / 1_000)
        if checks > left:
            self._left[peer] = (left, now_ms)
            return False
        self._left[peer] = (left - checks, now_ms)
        if len(self._left) > 4_096:
            self._forget_full(most, now_ms)
        return True

    def _forget_full(self, most: float, now_ms: int) -> None:
        idle_ms = self.SAVED_S * 1_000
        self._left = {
            peer: entry for peer, entry in self._left.items() if now_ms - entry[1] < idle_ms and entry[0] < most
        }
