"""Keeps what the gossip process tells of peers it knew, and tells it to the next one."""

import asyncio
from collections.abc import Sequence

import structlog

from pushmesh_protocol.types import UnixMs

from ..engine.records import PeerEntry
from ..ipc import MAX_BOOK_ENTRIES, Book, BookEntry, Down, Remember, Up
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store

RETRY_S = 5.0

log = structlog.get_logger()


class KeptPeers:
    """`restore`, then `run` beside the gossip process, and at the end `save`. Only what changed is written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[bytes, PeerEntry] = {}
        self._unsaved: dict[bytes, PeerEntry] = {}
        self._came = asyncio.Event()

    def __len__(self) -> int:
        """Peers that are kept."""
        return len(self._kept)

    def addresses_of(self, node_id: bytes) -> Sequence[str]:
        """Where a peer could be dialled; empty where nothing is known."""
        entry = self._kept.get(node_id)
        return () if entry is None else entry.addresses

    async def restore(self) -> None:
        """What an earlier run kept."""
        self._kept = {entry.node_id: entry for entry in await self._store.peers()}

    def take(self, messages: Sequence[Up]) -> None:
        """The books among the messages of a read; each holds all that its process knows. Never waits."""
        for message in messages:
            if isinstance(message, Book):
                entries = [_kept(entry) for entry in message.entries]
                self._unsaved |= {e.node_id: e for e in entries if self._kept.get(e.node_id) != e}
                self._kept |= self._unsaved
        if self._unsaved:
            self._came.set()

    def replay(self) -> list[Down]:
        """What a new gossip process is told first; those seen last come first where there is not room for all."""
        entries = sorted(self._kept.values(), key=lambda entry: max(entry.last_seen, entry.banned_until), reverse=True)
        return [Remember([_told(entry) for entry in entries[:MAX_BOOK_ENTRIES]])] if entries else []

    async def run(self) -> None:
        """Until cancelled. What the disk does not take is tried again."""
        while True:
            await self._came.wait()
            self._came.clear()
            if not await self.save():
                await asyncio.sleep(RETRY_S)
                self._came.set()

    async def save(self) -> bool:
        """Whether all of it is on the disk now. The store bounds how many are kept, and so is what is kept here."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return True
        try:
            await self._store.commit(list(unsaved.values()))
            if len(self._kept) > MAX_BOOK_ENTRIES:
                await self.restore()
        except (StoreBusy, StoreFailed) as error:
            self._unsaved = unsaved | self._unsaved
            log.warning("the peer book could not be saved", error=str(error))
            return False
        return True


def _kept(entry: BookEntry) -> PeerEntry:
    return PeerEntry(
        entry.node_id,
        tuple(entry.addresses),
        UnixMs(entry.last_seen_ms),
        entry.score_milli,
        entry.proven,
        UnixMs(entry.banned_until_ms),
        entry.bans,
    )


def _told(entry: PeerEntry) -> BookEntry:
    return BookEntry(
        entry.node_id,
        list(entry.addresses),
        entry.last_seen,
        entry.score_milli,
        entry.proven,
        entry.banned_until,
        entry.bans,
    )
