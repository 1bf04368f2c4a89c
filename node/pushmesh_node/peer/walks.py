"""When to look for more peers in the DHT, and how many connections are wanted. Pure."""

from typing import Final

SOON_MS: Final = 1_000
BACKOFF_MIN_MS: Final = 2_000
BACKOFF_MAX_MS: Final = 60_000
CONTENT_MS: Final = 600_000
EXTRA_STEP: Final = 2


class Walks:
    """A node that lacks peers walks at once, and again as long as walks bring news; then less and less often.

    A node whose topics lack peers wants some more connections than its target: who takes part in a topic shows only
    when a connection stands. At most twice the target."""

    def __init__(self, target_peers: int) -> None:
        self._target = target_peers
        self._extra = 0
        self._walked = 0
        self._fruitless = 0
        self._last_ms: int | None = None

    @property
    def wanted_peers(self) -> int:
        """Below so many connections, known peers are dialled."""
        return self._target + self._extra

    @property
    def is_for_itself(self) -> bool:
        """Every other walk, the first among them, looks for this node's own neighbours; the others anywhere."""
        return self._walked % 2 == 0

    def is_due(self, now_ms: int, peers: int, lacking_topics: int) -> bool:
        """Whether a walk should begin, with so many peers connected and so many joined topics that lack peers."""
        if self._last_ms is None:
            return True
        return now_ms - self._last_ms >= self._pause_ms(peers < self._target or lacking_topics > 0)

    def _pause_ms(self, hungry: bool) -> int:
        if not hungry:
            return CONTENT_MS
        return min(BACKOFF_MAX_MS, BACKOFF_MIN_MS << min(self._fruitless - 1, 20)) if self._fruitless else SOON_MS

    def walked(self, now_ms: int, news: int, lacking_topics: int) -> None:
        """A walk ended, and so many peers were news."""
        self._last_ms = now_ms
        self._walked += 1
        self._fruitless = 0 if news else self._fruitless + 1
        step = EXTRA_STEP if lacking_topics else -EXTRA_STEP
        self._extra = min(self._target, max(0, self._extra + step))
