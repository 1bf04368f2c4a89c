from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook, Subscriber
from pushmesh_node.lab.devnet import Devnet, peers_in
from pushmesh_node.lab.errors import LabError
from support.wallets import a_wallet

pytestmark = pytest.mark.integration


async def test_nodes_mesh_and_a_killed_one_comes_back_with_its_store(tmp_path: Path) -> None:
    async with Devnet(tmp_path, 2) as net:
        await net.wait_meshed()
        async with Node(net.url(0)) as first:
            dapp = Dapp(first, a_wallet(), SlotBook())
            assert (await Subscriber(first, a_wallet(2), SlotBook()).subscribe(dapp.topic("prices"))).ok
            assert (await dapp.publish("prices", title="before the cut")).ok
            before = await net.status(0)
            await net.kill(0)
            assert not net.nodes[0].running
            assert await net.status(0) == {}
            await net.restart(0)
            after = await net.status(0)
            assert (after["node_id"], after["incarnation"]) == (before["node_id"], before["incarnation"])
            page = await Subscriber(first, a_wallet(2), SlotBook()).page()
            assert [message["envelope"]["fields"]["title"] for message in page["messages"]] == ["before the cut"]
        pids = [node.pid for node in net.nodes]
    assert None not in pids
    assert not any(node.running for node in net.nodes)
    assert not any((Path("/proc") / str(pid)).exists() for pid in pids)


async def test_a_devnet_that_cannot_start_ends_what_it_started(tmp_path: Path) -> None:
    net = Devnet(tmp_path, 2, settings={"node.network": "no-such-network"})
    with pytest.raises(LabError, match="no-such-network"):
        await net.__aenter__()
    assert not any(node.running for node in net.nodes)


@pytest.mark.parametrize("count", [0, 33])
def test_a_devnet_has_a_size_that_a_machine_can_bear(tmp_path: Path, count: int) -> None:
    with pytest.raises(LabError, match="1 to 32"):
        Devnet(tmp_path, count)


def test_peers_are_counted_as_a_node_reports_them() -> None:
    assert [peers_in({}), peers_in({"peers": [{}, {}, {}]})] == [0, 3]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="file/node1 cannot be made: Not a directory; name another"):
        Devnet(tmp_path / "file", 1)
