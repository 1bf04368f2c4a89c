"""Whether sync and the clocks of peers let this node be ready (SPEC 9.14, 9.16). Looked at once a second."""

from collections.abc import Callable, Mapping, Sized
from typing import Final

from .status import Status
from .sync_state import CLOCK_MS, PeerSync, clock_offset_ms, is_in_sync

PATIENCE_MS: Final = 2_000
"""So long a node that knows of peers waits for one after its start; then it serves what it has."""

SYNC, CLOCK = "sync", "clock"


class SyncReadiness:
    """Tells `status`. A node that once was in sync, or found nobody, is ready until its peers show otherwise; one
    that falls behind for a moment is not made unready by that, for gossip brings what is new."""

    def __init__(self, status: Status, expects_peers: Callable[[], bool], clock: Callable[[], int]) -> None:
        self._status = status
        self._expects_peers = expects_peers
        self._clock = clock
        self._began_ms: int | None = None
        self._behind_ms: int | None = None

    def begin(self) -> None:
        """The gossip process is there: from now on peers may come."""
        if self._began_ms is None:
            self._began_ms = self._clock()
            if self._expects_peers():
                self._status.waiting_for.add(SYNC)

    def tick(self, connected: Sized, peers: Mapping[bytes, PeerSync]) -> None:
        """Look again."""
        now_ms = self._clock()
        self._mark(CLOCK, abs(clock_offset_ms(peers)) > CLOCK_MS)
        state = is_in_sync(peers.values(), now_ms)
        if state is None:
            waits = self._began_ms is not None and now_ms - self._began_ms < PATIENCE_MS
            self._mark(SYNC, SYNC in self._status.waiting_for and waits)
        elif state:
            self._behind_ms = None
            self._mark(SYNC, False)
        else:
            self._behind_ms = now_ms if self._behind_ms is None else self._behind_ms
            if now_ms - self._behind_ms > LAG_MS:
                self._mark(SYNC, True)

    def _mark(self, word: str, holds: bool) -> None:
        if holds:
            self._status.waiting_for.add(word)
        else:
            self._status.waiting_for.discard(word)


LAG_MS: Final = 30_000
"""A node that was in sync may lack something that peers have for so long before that shows."""
