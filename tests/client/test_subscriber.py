from pathlib import Path

import pytest

from pushmesh_client import ClientError, Dapp, Node, Refused, SlotBook, Subscriber, Unreachable
from pushmesh_protocol.tokens import TokenScope
from support.running_node import running_node, url_of
from support.wallets import a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)


async def test_a_subscription_counts_until_it_is_taken_back(node: Node) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
    await dapp.create_topic("prices", "Prices")
    topic = dapp.topic("prices")
    assert (await reader.subscribe(topic, settings={"percent": 5})).ok
    assert (await node.topic(topic))["subscribers"] == 1
    assert (await reader.unsubscribe(topic)).ok
    assert (await node.topic(topic))["subscribers"] == 0
    (known,) = (await node.subscriptions(READER.account))["subscriptions"]
    assert known["fields"]["on"] is False


async def test_the_wallet_or_its_session_key_logs_in(node: Node) -> None:
    reader = Subscriber(node, READER, SlotBook())
    assert (await reader.page())["messages"] == []
    session = await reader.grant()
    assert reader.session == session
    assert (await reader.page())["messages"] == []


async def test_a_log_in_is_good_once(node: Node) -> None:
    credential = await Subscriber(node, READER, SlotBook()).credential()
    await node.inbox(credential)
    with pytest.raises(Refused, match="nonce"):
        await node.inbox(credential)


async def test_a_node_that_does_not_know_the_grant_is_told(node: Node, tmp_path: Path) -> None:
    here = Subscriber(node, READER, SlotBook())
    session = await here.grant()
    async with running_node(tmp_path / "other") as served, Node(url_of(served)) as other:
        there = Subscriber(other, READER, SlotBook(), session=session)
        assert (await there.page())["messages"] == []


async def test_a_revoked_session_opens_nothing(node: Node) -> None:
    reader = Subscriber(node, READER, SlotBook())
    session = await reader.grant()
    assert (await reader.revoke(session)).ok
    with pytest.raises(Refused, match="revoked"):
        await reader.page()


async def test_preferences_hold_a_sender_back_and_explain_says_so(node: Node) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
    await reader.subscribe(dapp.topic("prices"))
    assert (await reader.set_preferences(mute=[OWNER.display], allow=[f"{OWNER.display}/news"])).ok
    muted = await dapp.publish("prices", title="muted")
    pinned = await dapp.publish("news", title="pinned", to=[READER.account])
    page = await reader.page()
    assert [message["envelope"]["id"] for message in page["messages"]] == [pinned.id.hex()]
    answer = await reader.explain(muted.id, muted.envelope.body.issued_at)
    assert (answer["verdict"], answer["reason"]) == ("hold", "muted-by-wallet")


async def test_a_private_subscription_brings_messages_and_nobody_hears_of_it(node: Node) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
    await dapp.create_topic("prices", "Prices")
    topic = dapp.topic("prices")
    assert (await reader.subscribe_privately(topic, settings={"min-priority": 3})).ok
    await dapp.publish(topic, title="for subscribers")
    assert len((await reader.page())["messages"]) == 1
    assert (await node.topic(topic))["subscribers"] == 0
    assert (await node.subscribers(topic, await dapp.credential()))["subscribers"] == []
    assert (await node.subscriptions(READER.account))["subscriptions"] == []


async def test_a_private_no_holds_though_the_public_word_is_yes_and_outlives_a_restart(tmp_path: Path) -> None:
    async with running_node(tmp_path) as served, Node(url_of(served)) as node:
        dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
        await reader.subscribe_privately(dapp.topic("prices"))
        await reader.subscribe_privately(dapp.topic("prices"), on=False)
        await reader.subscribe(dapp.topic("prices"))
    async with running_node(tmp_path) as served, Node(url_of(served)) as node:
        dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
        await dapp.publish("prices", title="unwanted here")
        assert (await reader.page())["messages"] == []
        await reader.subscribe_privately(dapp.topic("prices"))
        assert len((await reader.page())["messages"]) == 1


async def test_a_token_for_some_topics_reads_these_alone(node: Node) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
    for name in ("prices", "news"):
        await reader.subscribe(dapp.topic(name))
        await dapp.publish(name, title=name)
    await reader.grant()
    token = await reader.token(topics=[dapp.topic("news"), f"{OWNER.display}/news"])
    page = await node.inbox(token)
    assert [message["envelope"]["fields"]["title"] for message in page["messages"]] == ["news"]
    for topics in ([], [dapp.topic(f"t{number}") for number in range(33)]):
        with pytest.raises(ValueError, match="1 to 32 topics"):
            await reader.token(topics=topics)


async def test_a_token_reads_and_does_nothing_else(node: Node) -> None:
    reader = Subscriber(node, READER, SlotBook())
    with pytest.raises(ClientError, match="session key"):
        await reader.token()
    await reader.grant()
    token = await reader.token(scopes=[TokenScope.READ])
    assert (await node.inbox(token))["messages"] == []
    assert (await node.inbox(token))["messages"] == []
    with pytest.raises(Refused, match="forbidden"):
        await node.publish_private(b"", token)


async def test_another_wallets_inbox_stays_shut(node: Node) -> None:
    mine, other = Subscriber(node, READER, SlotBook()), Subscriber(node, OWNER, SlotBook())
    await mine.grant()
    thief = Subscriber(node, OWNER, SlotBook(), session=mine.session)
    with pytest.raises(Refused):
        await thief.page()
    assert (await other.page())["messages"] == []


async def test_a_transport_that_is_none_is_refused_at_once(node: Node) -> None:
    with pytest.raises(ValueError, match="ws, sse, mqtt"):
        await Subscriber(node, READER, SlotBook()).listen("pigeon")


async def test_a_node_without_mqtt_says_so(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", mqtt__enabled="false") as served, Node(url_of(served)) as node:
        reader = Subscriber(node, READER, SlotBook())
        async with await reader.listen("mqtt") as inbox:
            with pytest.raises(Refused, match="offers no MQTT"):
                await anext(aiter(inbox))


async def test_a_node_that_starts_is_not_taken_for_one_without_mqtt(node: Node) -> None:
    reader = Subscriber(node, READER, SlotBook())
    real = await node.status()

    async def says(**change: object) -> Exception | None:
        async def status() -> dict[str, object]:
            return real | change

        node.status = status  # type: ignore[method-assign]  # as a node that has only just opened its API
        try:
            await reader._mqtt_url(node)
        except ClientError as error:
            return error
        return None

    assert isinstance(await says(mqtt_address="", ready=False), Unreachable)
    assert isinstance(await says(mqtt_address="", ready=True), Refused)
    assert await says() is None
    assert isinstance(await says(mqtt_address="", ready=True), Unreachable)
