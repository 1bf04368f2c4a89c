from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook
from pushmesh_node.lab.bench_gossip_disk import StoreWatch
from pushmesh_node.lab.devnet import Devnet
from support.wallets import a_wallet

pytestmark = pytest.mark.integration


async def test_nodes_over_bare_sockets_relay_to_each_other(tmp_path: Path) -> None:
    async with Devnet(tmp_path, 2, module="pushmesh_node.lab.bare_node") as net:
        await net.wait_meshed()
        async with Node(net.url(0)) as node:
            outcome = await Dapp(node, a_wallet(), SlotBook()).publish("prices", title="over a bare socket")
        watch = StoreWatch(tmp_path / "node2" / "pushmesh.db")
        while outcome.id not in watch.ids_after(0):
            assert net.nodes[1].running
        watch.close()
