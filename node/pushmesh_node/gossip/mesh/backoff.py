"""Until when who may not be grafted (gossipsub v1.1). Outlives connections, is bounded, and only ever grows a time."""

from typing import NamedTuple


class Backoff(NamedTuple):
    """Runs from `since_ms`, when it was last set, to `until_ms`."""

    since_ms: int
    until_ms: int


class Backoffs:
    """By peer and topic. When full, the one that was set longest ago is forgotten."""

    def __init__(self, slack_ms: int, max_backoffs: int) -> None:
        self._slack_ms = slack_ms
        self._max_backoffs = max_backoffs
        self._held: dict[tuple[bytes, str], Backoff] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, peer: bytes, topic: str, now_ms: int, duration_ms: int) -> None:
        """An earlier one that lasts longer stays as long as it would have."""
        key = (peer, topic)
        old = self._held.pop(key, None)
        until_ms = now_ms + duration_ms
        self._held[key] = Backoff(now_ms, until_ms if old is None else max(until_ms, old.until_ms))
        if len(self._held) > self._max_backoffs:
            del self._held[next(iter(self._held))]

    def running(self, peer: bytes, topic: str, now_ms: int) -> Backoff | None:
        """The one that a GRAFT of the peer would break now."""
        held = self._held.get((peer, topic))
        return held if held is not None and now_ms < held.until_ms else None

    def allows_graft(self, peer: bytes, topic: str, now_ms: int) -> bool:
        """Own GRAFTs wait a little longer, as the other's clock started later."""
        held = self._held.get((peer, topic))
        return held is None or now_ms >= held.until_ms + self._slack_ms

    def expire(self, now_ms: int) -> None:
        """Forgets what holds nobody back any more."""
        ended = [key for key, held in self._held.items() if now_ms >= held.until_ms + self._slack_ms]
        for key in ended:
            del self._held[key]
