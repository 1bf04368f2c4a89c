"""Stores as earlier versions wrote them, with what their clients knew: `python -m faults.old_stores` records one of the
present schema, killed under load, for the versions to come. Kept in `corpus/`, a folder a schema."""

import asyncio
import lzma
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.storage.migrations import MIGRATIONS
from support.processes import a_plan
from support.wallets import a_wallet

from .history import Event, History, Struck, read_history, write_history
from .looking import STORE
from .nodes import FaultyNode
from .publisher import TOPIC, Publisher
from .subscribers import CursorReader

CORPUS = Path(__file__).parent / "corpus"
FILES = (STORE, f"{STORE}-wal")
HISTORY = "history.jsonl"
NODE = "old"
AUTHOR, READER = 41, 42
"""Numbers of the wallets (`support.wallets.a_wallet`)."""


async def record_store(place: Path, seconds: float, rate: float) -> None:
    """A short life of a node, ended by a kill."""
    network, history = shipped_network("devnet"), History()
    with TemporaryDirectory(prefix="faults-old-") as folder:
        plan = a_plan(Path(folder), NODE, mqtt__enabled=False)
        node = FaultyNode(plan)
        publisher = Publisher(network, a_wallet(AUTHOR), history, Random(1), rate=rate)
        try:
            await node.ready()
            reader = CursorReader("reader", network, a_wallet(READER), history)
            await reader.subscribe(plan.url, publisher.wallet.topic(TOPIC), TOPIC)
            load = asyncio.create_task(publisher.run(NODE, plan.url, 4))
            await asyncio.sleep(seconds)
            await node.kill()
            await load
        finally:
            await node.client.close()
            await node.kill()
        history.add(Struck(NODE, "killed"))
        write_history(plan.folder / HISTORY, history.events)
        _pack(plan.folder, place)


def _pack(folder: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in (*FILES, HISTORY):
        (place / f"{name}.xz").write_bytes(lzma.compress((folder / name).read_bytes(), preset=9))


def old_stores() -> list[Path]:
    """The folders of all recorded schemas, the oldest first."""
    return sorted(CORPUS.glob("schema-*"), key=lambda place: int(place.name.partition("-")[2]))


def unpack_store(place: Path, folder: Path) -> list[Event]:
    """Lay its files into a node's folder; returns its history."""
    for name in (*FILES, HISTORY):
        (folder / name).write_bytes(lzma.decompress((place / f"{name}.xz").read_bytes()))
    return read_history(folder / HISTORY)


def main() -> int:
    """Records the present schema, unless that was done."""
    place = CORPUS / f"schema-{len(MIGRATIONS)}"
    if place.exists():
        print(f"{place} is there already; it is never written anew")
        return 1
    asyncio.run(record_store(place, seconds=1.5, rate=40))
    print(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
