"""Looks through what a node has on its disk, on a copy, so that the node's own files stay as the fault left them."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pushmesh_node.app.opened import Opener
from pushmesh_node.engine.records import StoredItem
from pushmesh_node.storage import Store
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network

from .history import Held

STORE: Final = "pushmesh.db"
PAGE_BYTES: Final = 4 << 20


async def look_through(name: str, network: Network, folder: Path) -> Held:
    """The notifications of the store in `folder`, which no process has open. Raises StoreError, Refusal for damage."""
    with TemporaryDirectory(prefix="faults-look-") as place:
        for file in (STORE, f"{STORE}-wal"):
            if (folder / file).exists():
                shutil.copy(folder / file, Path(place) / file)
        return await read_store(name, network, Path(place) / STORE)


async def read_store(name: str, network: Network, path: Path) -> Held:
    """The same without a copy: opening it repairs what a crash left."""
    store = await Store.open(path, new_incarnation=bytes(16))
    try:
        ids: dict[bytes, int] = {}
        after = 0
        while items := await store.log(after, PAGE_BYTES):
            ids |= _ids(network, items)
            after = items[-1].first_commit + items[-1].count - 1
        return Held(name, store.incarnation, ids, time.time_ns() // 1_000_000)
    finally:
        await store.close()


def _ids(network: Network, items: Sequence[StoredItem]) -> dict[bytes, int]:
    opener = Opener(network)
    return {
        envelope.id: number
        for item in items
        if item.kind == Kind.NOTIFICATION
        for number, envelope in enumerate(opener.part(item).envelopes, item.first_commit)
    }
