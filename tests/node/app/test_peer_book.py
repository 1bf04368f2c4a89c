import asyncio
from collections.abc import Sequence
from pathlib import Path

from pushmesh_node.app.peer_book import KeptPeers
from pushmesh_node.engine.records import PeerEntry, Write
from pushmesh_node.ipc import MAX_BOOK_ENTRIES, Book, BookEntry, Remember, Stats
from pushmesh_node.storage import Store
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_protocol.types import UnixMs
from support.until import until


def an_entry(n: int = 1, last_seen_ms: int = 5, banned_until_ms: int = 0) -> BookEntry:
    node_id = n.to_bytes(32, "big")
    return BookEntry(node_id, [f"/ip4/9.9.9.9/tcp/{n + 1}/p2p/x"], last_seen_ms, -7, True, banned_until_ms, 0)


async def a_store(folder: Path) -> Store:
    return await Store.open(folder / "store.db", new_incarnation=bytes(16))


async def test_what_one_process_told_the_next_one_is_told_also_after_a_restart(tmp_path: Path) -> None:
    store = await a_store(tmp_path)
    kept = KeptPeers(store)
    await kept.restore()
    assert kept.replay() == []
    kept.take([Stats([], []), Book([an_entry(1, 5), an_entry(2, 6)]), Book([an_entry(1, 9)])])
    assert kept.replay() == [Remember([an_entry(1, 9), an_entry(2, 6)])]
    assert await kept.save()
    await store.close()
    store = await a_store(tmp_path)
    again = KeptPeers(store)
    await again.restore()
    assert again.replay() == [Remember([an_entry(1, 9), an_entry(2, 6)])]
    await store.close()


class Counting:
    """A store that counts what is written, and fails where it is told to."""

    def __init__(self) -> None:
        self.written: list[list[Write]] = []
        self.fails = 0

    async def peers(self) -> list[PeerEntry]:
        return []

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreFailed("the disk is full")
        self.written.append(list(writes))


async def test_only_what_changed_is_written() -> None:
    store = Counting()
    kept = KeptPeers(store)  # type: ignore[arg-type]  # it uses these two methods only
    kept.take([Book([an_entry(1), an_entry(2)])])
    assert await kept.save() and await kept.save()
    kept.take([Book([an_entry(1), an_entry(2, last_seen_ms=8)])])
    assert await kept.save()
    assert [[write.node_id[-1] for write in writes if isinstance(write, PeerEntry)] for writes in store.written] == [
        [1, 2],
        [2],
    ]


async def test_what_the_disk_did_not_take_is_tried_again_and_a_later_word_wins() -> None:
    store = Counting()
    store.fails = 1
    kept = KeptPeers(store)  # type: ignore[arg-type]  # it uses these two methods only
    kept.take([Book([an_entry(1), an_entry(2)])])
    assert not await kept.save()
    kept.take([Book([an_entry(1, last_seen_ms=9)])])
    assert await kept.save()
    (writes,) = store.written
    assert sorted(write.last_seen for write in writes if isinstance(write, PeerEntry)) == [UnixMs(5), UnixMs(9)]


async def test_books_are_saved_as_they_come() -> None:
    store = Counting()
    kept = KeptPeers(store)  # type: ignore[arg-type]  # it uses these two methods only
    running = asyncio.create_task(kept.run())
    for n in (1, 2):
        kept.take([Book([an_entry(n)])])
        await until(lambda n=n: len(store.written) >= n)
    running.cancel()


async def test_one_message_holds_those_seen_last() -> None:
    kept = KeptPeers(Counting())  # type: ignore[arg-type]  # it uses these two methods only
    kept.take([Book([an_entry(n, last_seen_ms=n) for n in range(MAX_BOOK_ENTRIES)])])
    kept.take([Book([an_entry(9_999, last_seen_ms=0, banned_until_ms=10**6)])])
    (message,) = kept.replay()
    assert isinstance(message, Remember) and len(message.entries) == MAX_BOOK_ENTRIES
    assert message.entries[0] == an_entry(9_999, last_seen_ms=0, banned_until_ms=10**6)
    assert an_entry(0, last_seen_ms=0) not in message.entries
    assert len(kept) == MAX_BOOK_ENTRIES + 1
