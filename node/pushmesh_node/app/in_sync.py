"""When this node was in sync last: told to the engine, which calls late what comes by sync after that and is old (SPEC
7.9), and kept for the node's next life."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from pushmesh_protocol.types import UnixMs

from ..engine.events import WasInSync
from ..engine.records import InSyncMark
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .sync_state import PeerSync, in_sync_at_ms

SAVE_EVERY_MS: Final = 60_000


class InSync:
    """Looked at once a second."""

    def __init__(self, store: Store, tell: Callable[[WasInSync], None]) -> None:
        self._store = store
        self._tell = tell
        self._at_ms = store.in_sync_ms

    async def tick(self, peers: Iterable[PeerSync], now_ms: int) -> None:
        """Look again. A disk that takes nothing now is tried again."""
        at_ms = in_sync_at_ms(peers, now_ms)
        if at_ms is None or at_ms <= (self._at_ms or 0):
            return
        self._at_ms = at_ms
        self._tell(WasInSync(UnixMs(at_ms)))
        saved_ms = self._store.in_sync_ms
        if saved_ms is None or at_ms - saved_ms >= SAVE_EVERY_MS:
            with suppress(StoreBusy, StoreFailed):
                await self._store.commit([InSyncMark(UnixMs(at_ms))])
                self._store.in_sync_ms = at_ms
