"""What a node that returns owes its wallets: their messages first, and no noise about what is old."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_node.app.node import Node
from pushmesh_node.engine.events import WasInSync
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs
from support.app_world import (
    NETWORK,
    Ear,
    a_node,
    a_note_now,
    a_principal,
    a_subscription,
    publish,
)
from support.sync_world import asking, in_sync, make_impatient, two_nodes
from support.until import until
from support.wallets import a_signed_batch, a_signed_note, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    async with two_nodes(tmp_path) as both:
        yield both


@pytest.fixture
def asker(nodes: tuple[Node, Node]) -> Node:
    return nodes[0]


@pytest.fixture
def server(nodes: tuple[Node, Node]) -> Node:
    return nodes[1]


async def test_what_comes_after_its_time_is_silent_in_every_inbox_also_after_a_restart(
    asker: Node, server: Node, tmp_path: Path
) -> None:
    topic = Topic(DAPP.account, "alerts")
    await publish(asker, a_subscription(READER, topic))
    reader = a_principal(READER.account)
    ear = Ear(reader)
    asker.inboxes.listen(ear)
    asker.driver.handle(WasInSync(UnixMs(asker.sync._clock() + 10 * NETWORK.epoch_length_ms)))
    note = a_note_now(DAPP, 1_000)
    await publish(server, note)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    page = await asker.inboxes.read(reader, 0, None, 10)
    assert [(each.verdict, each.reason) for each in (*ear.heard, *page.messages)] == [("silent", "late")] * 2
    await asker.close()
    async with a_node(tmp_path / "asker") as again:
        page = await again.inboxes.read(reader, 0, None, 10)
        assert [(each.verdict, each.reason) for each in page.messages] == [("silent", "late")]


async def test_messages_of_own_wallets_come_first_and_newest_first_also_by_a_subscription_that_sync_brings(
    asker: Node, server: Node
) -> None:
    shop, at_ms = a_wallet(7), server.sync._clock()
    own = [a_signed_note(NETWORK, shop, at_ms - 1_000 + number, 2_000 + number) for number in range(40)]
    batches = [a_signed_batch(NETWORK, DAPP, at_ms, 100, 100 * number) for number in range(5)]
    await publish(server, *own[::2])
    await publish(server, *batches)
    await publish(server, *own[1::2], a_subscription(READER, Topic(shop.account, "alerts")))
    await until(lambda: server.feed.is_settled)
    asker.welcome(READER.account)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    items = await asker.store.log(0, 10**7)
    assert [item.kind for item in items] == [4] + [5] * 45
    assert [asker.opener.part(item).envelopes[0].id for item in items[1:41]] == [note.id for note in own[::-1]]
    assert {item.count for item in items[41:]} == {100}
