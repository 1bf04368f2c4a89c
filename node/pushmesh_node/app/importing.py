"""Takes an export into this node's store, offline: each frame goes the way of one that a peer sent by sync, with
every check, and nothing is trusted. The store has one writer, so the node must not run meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.reasons import Reason, Verdict

from ..config import Config, ConfigError, key_path
from ..engine.events import CaughtUp
from ..metrics import Metrics
from ..storage.exports import read_frames, read_head
from ..storage.files import size_of
from ..storage.upkeep import Room
from .compose import open_store, read_network
from .keys import load_key
from .node import Node
from .offers import entry_of, parts_of

NOBODY = bytes(32)
"""Stands for the file where a peer would."""

PIECE_ENVELOPES = 1_024


@dataclass(slots=True)
class Imported:
    """What became of the envelopes, by reason: `ok` is new here, `duplicate` was held already."""

    frames: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class _Counting(Metrics):
    """Metrics that also count for the report."""

    def __init__(self, imported: Imported) -> None:
        super().__init__()
        self._imported = imported

    def judged(self, source: str, verdict: Verdict, reason: Reason, count: int = 1) -> None:
        super().judged(source, verdict, reason, count)
        self._imported.reasons[str(reason)] += count


async def import_file(config: Config, path: Path, progress: Callable[[int, int], None]) -> Imported:
    """Take everything that is valid. Raises ConfigError, StoreError and ExportError; what was taken before an error
    stays, and the same file may be imported again."""
    network = read_network(config)
    if read_head(path).network_id != network.id:
        raise ConfigError(f"{path} is an export of another network than {network.name}")
    imported = Imported()
    async with AsyncExitStack() as stack:
        seed = load_key(key_path(config))
        store = await open_store(config, network, public_key(seed))
        stack.push_async_callback(store.close)
        node = Node(_alone(config), network, seed, store, _Counting(imported))
        stack.push_async_callback(node.close)
        await node.restore()
        await store.measure()
        running = asyncio.create_task(node.run(), name="import")
        try:
            taking = asyncio.create_task(_take_all(node, path, imported, progress))
            await asyncio.wait((running, taking), return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                running.result()
            await taking
        finally:
            running.cancel()
            await asyncio.wait((running,))
    return imported


async def _take_all(node: Node, path: Path, imported: Imported, progress: Callable[[int, int], None]) -> None:
    size = size_of(path)
    parts: list[Part] = []
    envelopes = 0
    for data, place in read_frames(path):
        imported.frames += 1
        found, refusals = _parts(node, data)
        for refusal in refusals:
            imported.reasons[str(refusal.reason)] += 1
        parts += found
        envelopes += sum(len(part.envelopes) for part in found)
        if envelopes >= PIECE_ENVELOPES:
            await _take(node, parts)
            parts, envelopes = [], 0
            progress(place, size)
    await _take(node, parts)
    progress(size, size)


def _parts(node: Node, data: bytes) -> tuple[list[Part], list[Refusal]]:
    try:
        parts, unreadable = parts_of(open_frame(node.network, data))
    except Refusal as refusal:
        return [], [refusal]
    return parts, [refusal for _place, refusal in unreadable]


async def _take(node: Node, parts: list[Part]) -> None:
    """Until it is durable: one piece is under way at a time."""
    if not parts:
        return
    decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    node.ingest.take(entry_of(CaughtUp(NOBODY), parts, decided=decided))
    await decided
    await node.driver.settled(node.driver.engine.last_commit)
    if (trouble := node.store.troubles.now) is not None:
        raise ConfigError(f"the store takes nothing more: {trouble.reason}; make room and import the file again")
    if node.store.room is Room.FULL:
        raise ConfigError(
            "the store has no room (store.budget_bytes, store.min_free_bytes): make some and import the file again"
        )


def _alone(config: Config) -> Config:
    """Without a mesh, whose peers would be asked for the same."""
    return replace(config, gossip=replace(config.gossip, enabled=False))
