import asyncio
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook, Subscriber
from pushmesh_node.lab.framing import FramingError
from pushmesh_node.lab.receiver import Receiver, count_of
from pushmesh_protocol.codec import pack
from support.running_node import port_of, running_node, url_of
from support.wallets import a_wallet


async def test_it_counts_what_comes_after_it_came(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as served, Node(url_of(served)) as node:
        dapp, reader = Dapp(node, a_wallet(), SlotBook()), Subscriber(node, a_wallet(2), SlotBook())
        await reader.subscribe(dapp.topic("prices"))
        receiver = await asyncio.to_thread(Receiver, "127.0.0.1", port_of(served), await reader.credential())
        expected = asyncio.create_task(asyncio.to_thread(receiver.expect, 3))
        for number in range(3):
            await dapp.publish("prices", title=str(number))
        answer = await expected
        assert (answer["received"], answer["different"]) == (3, 3)
        receiver.close()


async def test_a_log_in_that_is_refused_is_said(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as served:
        with pytest.raises(FramingError, match="did not take the log-in"):
            await asyncio.to_thread(Receiver, "127.0.0.1", port_of(served), "nonsense")


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 1_024, 70_000])
def test_rows_are_counted_by_the_head_of_a_message(rows: int) -> None:
    assert count_of(pack([0] * rows)) == rows
