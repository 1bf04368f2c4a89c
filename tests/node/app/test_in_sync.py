from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_node.app.in_sync import SAVE_EVERY_MS, InSync
from pushmesh_node.app.sync_state import PeerSync
from pushmesh_node.engine.events import WasInSync
from pushmesh_node.storage import Store
from pushmesh_node.storage.errors import StoreFailed

NOW = 10_000_000


def a_peer(round_ms: int, missing: int = 0) -> PeerSync:
    peer = PeerSync()
    peer.ended(missing, round_ms)
    return peer


async def a_store(path: Path) -> Store:
    return await Store.open(path, new_incarnation=bytes(16))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await a_store(tmp_path / "s.db")
    yield store
    await store.close()


async def test_each_new_time_is_told_and_none_while_something_is_missing(store: Store) -> None:
    told: list[WasInSync] = []
    in_sync = InSync(store, told.append)
    await in_sync.tick([], NOW)
    await in_sync.tick([a_peer(NOW, missing=1)], NOW)
    assert told == [] and store.in_sync_ms is None
    for peers in ([a_peer(NOW), a_peer(NOW - 5)], [a_peer(NOW), a_peer(NOW - 5)], [a_peer(NOW)]):
        await in_sync.tick(peers, NOW)
    assert [event.at_ms for event in told] == [NOW - 5, NOW]


async def test_the_next_life_knows_it_to_the_minute(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = await a_store(path)
    in_sync = InSync(store, lambda _event: None)
    for at_ms in (NOW, NOW + SAVE_EVERY_MS - 1, NOW + SAVE_EVERY_MS, NOW + SAVE_EVERY_MS + 1):
        await in_sync.tick([a_peer(at_ms)], at_ms)
    await store.close()
    store = await a_store(path)
    assert store.in_sync_ms == NOW + SAVE_EVERY_MS
    await store.close()


async def test_a_disk_that_takes_nothing_now_is_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_writes: object) -> None:
        raise StoreFailed("the disk is full")

    in_sync = InSync(store, lambda _event: None)
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", full)
        await in_sync.tick([a_peer(NOW)], NOW)
    assert store.in_sync_ms is None
    await in_sync.tick([a_peer(NOW + 1)], NOW + 1)
    assert store.in_sync_ms == NOW + 1
