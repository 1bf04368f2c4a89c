"""Two nodes without a mesh between them, one of which asks the other in sync."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pushmesh_node.app import sync as sync_room
from pushmesh_node.app.gossip_streams import GossipStream
from pushmesh_node.app.node import Node
from pushmesh_node.app.sync import PROTOCOL
from support.app_world import a_node, count
from support.stream_pair import stream_pair

SERVER, ASKER = b"\x0a" * 32, b"\x0b" * 32


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests of the asker are short."""
    monkeypatch.setattr(sync_room, "AGAIN_S", 0.05)
    monkeypatch.setattr(sync_room, "BEHIND_S", 0.05)
    monkeypatch.setattr(sync_room, "SETTLE_S", 0.02)
    monkeypatch.setattr(sync_room, "FIRST_REST_S", 0.05)


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncIterator[tuple[Node, Node]]:
    for name in ("asker", "server"):
        (folder / name).mkdir()
    async with a_node(folder / "asker") as asker, a_node(folder / "server") as server:
        yield asker, server


@asynccontextmanager
async def asking(asker: Node, peer: Callable[[GossipStream], None], name: bytes = SERVER) -> AsyncIterator[None]:
    """The asker asks a peer for as long as the block lasts; `peer` gets the other end of every stream."""

    def open_stream(node_id: bytes, protocol: str) -> GossipStream:
        assert (node_id, protocol) == (name, PROTOCOL)
        mine, theirs = stream_pair(protocol, ASKER, name)
        peer(theirs)
        return mine

    asker.sync._open_stream = open_stream
    asker.sync.peer_came(name)
    try:
        yield
    finally:
        asker.sync.peer_left(name)
    assert count(asker, "pushmesh_crashes_total") == 0


def in_sync(node: Node, name: bytes = SERVER) -> Callable[[], bool]:
    rounds = node.sync.peers[name].rounds if name in node.sync.peers else 0

    def is_so() -> bool:
        sync = node.sync.peers.get(name)
        return sync is not None and sync.complete and sync.rounds > rounds

    return is_so
