"""Content sealed from a dapp to wallets, through a whole node."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from pushmesh_client import (
    Dapp,
    Draft,
    Node,
    NoSealKey,
    Received,
    Sealedness,
    SlotBook,
    Subscriber,
    load_session,
    save_session,
)
from pushmesh_client.author import unix_ms
from support.running_node import running_node, url_of
from support.wallets import a_wallet

OWNER, READER, OTHER, BARE = (a_wallet(number) for number in range(1, 5))
TITLE, BODY = "Margin call 8fd1", "Repay 4,711 USDC today"
URL, ACTIONS = "https://example.org/repay-8fd1", [("Repay 8fd1", "https://example.org/now")]
WORDS = [text.encode() for text in ("8fd1", "4,711", "repay-", TITLE, BODY)]
WAIT_S = 20.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with running_node(tmp_path / "node") as served, Node(url_of(served)) as client:
        yield client


async def messages_of(subscriber: Subscriber, count: int, device: str = "sdk") -> Sequence[Received]:
    found: list[Received] = []
    async with asyncio.timeout(WAIT_S):
        async with await subscriber.listen(device=device, cursor="0") as inbox:
            async for message in inbox:
                found.append(message)
                if len(found) == count:
                    return found
    raise AssertionError("the inbox ended")


async def a_device(node: Node, wallet: object, topic: object) -> Subscriber:
    device = Subscriber(node, wallet, SlotBook())  # type: ignore[arg-type]  # a wallet
    await device.subscribe(topic)  # type: ignore[arg-type]  # a topic
    await device.grant()
    return device


def contents(folder: Path) -> bytes:
    return b"".join([file.read_bytes() for file in folder.rglob("*") if file.is_file()])


async def test_every_device_of_a_recipient_reads_it_and_nothing_on_the_way_holds_a_word_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    carried = bytearray()
    async with running_node(tmp_path / "node", node__log_level="debug") as served, Node(url_of(served)) as node:
        dapp = Dapp(node, OWNER, SlotBook(tmp_path / "slots"))
        topic = dapp.topic("loans")
        phone, laptop = await a_device(node, READER, topic), await a_device(node, READER, topic)
        stranger = await a_device(node, OTHER, topic)
        published = await dapp.publish(
            topic, title=TITLE, body=BODY, url=URL, actions=ACTIONS, to=[READER.account], seal=True, category="loans"
        )
        assert published.ok
        carried += published.envelope.body_bytes
        for device, name in ((phone, "phone"), (laptop, "laptop")):
            (message,) = await messages_of(device, 1, name)
            assert message.sealed is Sealedness.OPENED and message.content is not None
            assert (message.content.title, message.content.body, message.content.url) == (TITLE, BODY, URL)
            assert [(action.title, action.url) for action in message.content.actions or ()] == ACTIONS
            assert message.notification is not None
            assert (message.notification.title, message.notification.url) == (None, None)
        page = await phone.page()
        carried += str(page).encode()
        assert (await stranger.page())["messages"] == []
    carried += contents(tmp_path)
    said = capfd.readouterr()
    carried += (said.out + said.err).encode()
    assert len(carried) > 10_000
    assert [word for word in WORDS if word in carried] == []


async def test_a_recipient_without_a_key_is_told_of_and_gets_nothing_in_the_open(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    reader = await a_device(node, READER, dapp.topic("loans"))
    bare = Subscriber(node, BARE, SlotBook())
    await bare.subscribe(dapp.topic("loans"))
    to = [READER.account, BARE.account]
    with pytest.raises(NoSealKey) as refused:
        await dapp.publish("loans", title=TITLE, to=to, seal=True)
    with pytest.raises(NoSealKey):
        await dapp.publish_batch("loans", [Draft(title=TITLE, to=[each], seal=True) for each in to])
    assert refused.value.accounts == (BARE.account,)
    assert (await reader.page())["messages"] == []

    thread = await dapp.publish_thread("loans", title=TITLE, to=to, seal=True)
    assert thread.ok and thread.unsealed == (BARE.account,)
    assert [part.recipients for part in thread.parts] == [(READER.account,)]
    (message,) = await messages_of(reader, 1)
    assert message.content is not None and message.content.title == TITLE
    assert (await bare.page())["messages"] == []
    status = await dapp.thread_status(thread)
    assert status.recipients[BARE.account].reason == "no-seal-key"


async def test_nothing_more_is_sealed_to_a_revoked_key(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    lost, kept = await a_device(node, READER, dapp.topic("loans")), await a_device(node, READER, dapp.topic("loans"))
    assert lost.session is not None
    await kept.revoke(lost.session)
    published = await dapp.publish("loans", title=TITLE, to=[READER.account], seal=True)
    sealed = published.envelope.body.sealed  # type: ignore[union-attr]  # a notification
    assert sealed is not None and kept.session is not None
    assert [box.seal_key for box in sealed.boxes] == [kept.session.seals[0].public]
    (message,) = await messages_of(kept, 1)
    assert message.sealed is Sealedness.OPENED
    wallet_alone = Subscriber(node, READER, SlotBook())
    (message,) = await messages_of(wallet_alone, 1, "other")
    assert (message.sealed, message.content) == (Sealedness.NO_KEY, None)


async def test_many_individual_ones_are_sealed_under_one_signature(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    readers = [await a_device(node, wallet, dapp.topic("loans")) for wallet in (READER, OTHER)]
    drafts = [Draft(title=f"{TITLE} {each.wallet.display}", to=[each.wallet.account], seal=True) for each in readers]
    published = await dapp.publish_batch("loans", [*drafts, Draft(title="open to all")])
    assert all(each.ok for each in published) and len({each.envelope.auth for each in published}) == 1
    for reader, draft in zip(readers, drafts, strict=True):
        first, second = await messages_of(reader, 2)
        assert first.content is not None and (first.sealed, first.content.title) == ("opened", draft.title)
        assert second.content is not None and (second.sealed, second.content.title) == ("plain", "open to all")


async def test_what_was_sealed_before_a_new_grant_or_a_restart_still_opens(node: Node, tmp_path: Path) -> None:
    dapp, path = Dapp(node, OWNER, SlotBook()), tmp_path / "session.json"
    device = await a_device(node, READER, dapp.topic("loans"))
    await dapp.publish("loans", title="before", to=[READER.account], seal=True)
    await device.grant()
    await dapp.publish("loans", title="after", to=[READER.account], seal=True)
    network = await node.network()
    assert device.session is not None
    save_session(path, network, device.session)
    again = load_session(path, network, READER.account, unix_ms())
    assert again == device.session
    restarted = Subscriber(node, READER, SlotBook(), session=again)
    titles = [each.content.title for each in await messages_of(restarted, 2) if each.content is not None]
    assert titles == ["before", "after"]


async def test_a_long_list_goes_in_parts_with_one_thread_and_is_summed(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    reader, other = [await a_device(node, wallet, dapp.topic("loans")) for wallet in (READER, OTHER)]
    crowd = [b"\x00" + number.to_bytes(20, "big") for number in range(1, 4_200)]
    listening = asyncio.gather(messages_of(reader, 1), messages_of(other, 1))
    draft = Draft(title="to many", to=[READER.account, OTHER.account, *crowd], origin=await node.node_id())
    thread = await dapp.publish_thread("loans", draft)
    assert thread.ok and [len(part.recipients or ()) for part in thread.parts] == [2_000, 2_000, 201]
    assert {part.published.envelope.body.thread for part in thread.parts if part.published} == {thread.id}  # type: ignore[union-attr]  # notifications
    ((mine,), (theirs,)) = await listening
    assert mine.notification is not None and theirs.notification is not None
    assert mine.notification.thread == theirs.notification.thread == thread.id
    async with asyncio.timeout(WAIT_S):
        while (status := await dapp.thread_status(thread)).counted("acknowledged") < 2:  # noqa: ASYNC110  # it is asked over HTTP
            await asyncio.sleep(0.1)
    assert status.delivered == 2 and len(status.recipients) == 4_201
    assert {status.recipients[each.account].level for each in (READER, OTHER)} == {"acknowledged"}
    assert status.counted("durable") == 4_201
