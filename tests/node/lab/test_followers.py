from pathlib import Path

import pytest

from pushmesh_client import Node, new_wallet
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.followers import Author, follow, log_ins
from pushmesh_node.lab.networks import shipped_network
from support.running_node import running_node, url_of

NETWORK = shipped_network("bench")


async def test_each_follower_finds_all_that_the_author_publishes_in_its_inbox(tmp_path: Path) -> None:
    author, wallets = Author(NETWORK), [new_wallet() for _ in range(3)]
    async with running_node(tmp_path, node__network="bench") as served, Node(url_of(served)) as node:
        await follow(node, NETWORK, wallets, author.topic)
        for frame in (author.frame(1), author.frame(4)):
            assert all(outcome.ok for outcome in await node.publish_frame(frame))
        for credential in await log_ins(node, NETWORK, wallets):
            assert len((await node.inbox(credential))["messages"]) == 5


async def test_a_refused_subscription_ends_the_bench(tmp_path: Path) -> None:
    async with running_node(tmp_path, node__network="bench") as served, Node(url_of(served)) as node:
        with pytest.raises(LabError, match="a subscription was refused: "):
            await follow(node, shipped_network("devnet"), [new_wallet()], Author(NETWORK).topic)
