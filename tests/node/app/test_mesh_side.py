from pathlib import Path

import pytest

from pushmesh_node import ipc
from pushmesh_node.app.gossip_process import GossipLost, GossipReady
from pushmesh_node.app.gossip_streams import GossipStream
from pushmesh_node.app.node import Node
from pushmesh_node.config import load_config
from pushmesh_node.metrics import Metrics
from pushmesh_node.storage import Store
from support.app_world import NETWORK, SEED, a_node, a_note_now, count, publish
from support.stream_pair import stream_pair
from support.wallets import a_wallet

DAPP = a_wallet(1)
PEER = b"\x0a" * 32


class Follower:
    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def peer_came(self, node_id: bytes) -> None:
        self.heard.append(("came", node_id))

    def peer_left(self, node_id: bytes) -> None:
        self.heard.append(("left", node_id))

    def stream_came(self, stream: GossipStream) -> None:
        self.heard.append(("stream", stream.protocol))


async def test_who_follows_peers_by_two_protocols_hears_of_each_once_and_of_its_own_streams(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        two, one = Follower(), Follower()
        node.mesh.followers = {"/a": two, "/b": two, "/c": one}
        node.mesh.link.take([ipc.Peer(PEER, [], True)])
        for protocol in ("/b", "/c"):
            node.mesh.stream_came(stream_pair(protocol, PEER, node.node_id)[1])
        node.mesh.link.take([ipc.Peer(PEER, [], False)])
        assert two.heard == [("came", PEER), ("stream", "/b"), ("left", PEER)]
        assert one.heard == [("came", PEER), ("stream", "/c"), ("left", PEER)]


async def test_the_gossip_process_decides_over_readiness_while_it_is_gone(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "pushmesh.db", new_incarnation=bytes(16))
    config = load_config(None, {}, {"gossip.listen": ["/ip4/127.0.0.1/tcp/0"]})
    node = Node(config, NETWORK, SEED, store, Metrics())
    try:
        assert node.status.reasons() == ["gossip", "store"]
        await node.restore()
        assert node.status.reasons() == ["gossip"]
        addresses = ["/ip4/127.0.0.1/tcp/4001/p2p/x"]
        node.mesh.happened(GossipReady(ipc.Ready(ipc.IPC_VERSION, "x", node.node_id, addresses)))
        assert (node.status.ready, node.status.gossip_addresses) == (True, addresses)
        node.mesh.link.take([ipc.Peer(b"\x0a" * 32, [], True)])
        node.mesh.happened(GossipLost("ended", 200))
        assert (node.status.reasons(), node.mesh.link.peers) == (["gossip"], {})
        assert count(node, "pushmesh_gossip_restarts_total") == 1
    finally:
        await node.close()


async def test_a_node_that_is_no_peer_is_dialled_where_it_was_and_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_node(tmp_path) as node:
        told: list[object] = []
        monkeypatch.setattr(node.mesh, "tell", told.extend)
        monkeypatch.setattr(node.mesh.kept_peers, "addresses_of", lambda node_id: ["/ip4/127.0.0.1/tcp/1/p2p/x"])
        node.mesh.reach(b"\x0e" * 32)
        assert told == [ipc.Dial("/ip4/127.0.0.1/tcp/1/p2p/x"), ipc.Seek(b"\x0e" * 32)]


async def test_without_a_mesh_nothing_is_relayed_and_no_stream_opens(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP))
        assert node.relaying._packer.next_due_ms() is None
        assert node.mesh.open_stream(b"\x0a" * 32, "/x") is None
        assert await node.mesh.send([ipc.Stop()]) is False
        node.mesh.tell([ipc.Stop()])
