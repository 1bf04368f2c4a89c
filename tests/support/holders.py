"""A node that really answers who asks what it holds, over a store of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pushmesh_node.app.hold_answers import HoldAnswers
from pushmesh_node.metrics import Metrics
from pushmesh_node.storage.store import Store
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.types import UnixMs
from support.bodies import a_network
from support.records import NOW, record

NETWORK = a_network()
HOLDER_SEEDS = [bytes([number]) * 32 for number in (0x31, 0x32, 0x33)]
HOLDERS = [public_key(seed) for seed in HOLDER_SEEDS]


class Holder:
    def __init__(self, seed: bytes, store: Store) -> None:
        self.store = store
        self.metrics = Metrics()
        self.answers = HoldAnswers(NETWORK, seed, public_key(seed), store, self.metrics, lambda: UnixMs(NOW))

    async def commit(self, *first_commits: int) -> None:
        records = [record(number) for number in first_commits]
        await self.store.commit(records)
        self.answers.committed(records)


@asynccontextmanager
async def holders(folder: Path) -> AsyncIterator[list[Holder]]:
    """One for each of HOLDERS."""
    stores = [await Store.open(folder / f"{n}.db", new_incarnation=bytes([n]) * 16) for n in range(len(HOLDERS))]
    yield [Holder(seed, store) for seed, store in zip(HOLDER_SEEDS, stores, strict=True)]
    for store in stores:
        await store.close()


def ids_of(*first_commits: int) -> list[bytes]:
    return [record(number).ids[0] for number in first_commits]
