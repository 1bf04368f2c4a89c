"""What a client hears of its wallet beside messages: its other devices and its own subscriptions."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from mqtt5 import (
    PingReqPacket,
    PingRespPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

from pushmesh_node.delivery.contract import WalletEvent
from pushmesh_node.delivery.following import Change
from pushmesh_node.delivery.mqtt import MqttEndpoint
from pushmesh_node.delivery.mqtt.news import News
from pushmesh_protocol.accounts import Topic, display_topic
from support.fake_inboxes import DAPP, FakeInboxes, a_message, a_notification, a_principal
from support.fake_wallets import FakeSubscriptions
from support.mqtt_talk import connected, publish_of
from support.mqtt_world import ALICE, RawClient, World, a_connect, running, until

DEVICES, SUBSCRIPTIONS = "pushmesh/devices", "pushmesh/subscriptions"
ALERTS = Topic(DAPP, "alerts")
ACKED = WalletEvent("acked", "laptop", {"device": "laptop", "cursor": "c"})


async def subscribed(endpoint: MqttEndpoint, *patterns: str, device: str = "phone", **changes: Any) -> RawClient:
    client = await connected(endpoint, a_connect(device, **changes))
    await client.send(SubscribePacket(1, [TopicFilter(pattern) for pattern in patterns]))
    assert isinstance(await client.read(), SubAckPacket)
    return client


async def test_a_device_hears_what_another_one_read_and_not_what_it_read_itself() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        phone = await subscribed(endpoint, DEVICES)
        laptop = await subscribed(endpoint, DEVICES, device="laptop")
        await world.wallets.read(a_principal(ALICE), "laptop", 1, [])
        heard = await publish_of(phone)
        assert (heard.topic, heard.qos, heard.content_type) == (DEVICES, QoS.AT_MOST_ONCE, "application/json")
        assert json.loads(heard.payload) == {"type": "read", "device": "laptop", "unread": 0}
        await laptop.send(PingReqPacket())
        assert isinstance(await laptop.read(), PingRespPacket)
        await phone.close()
        await laptop.close()
        await until(lambda: endpoint.connections == 0)
    assert world.inboxes.listeners == []


async def test_who_hears_of_devices_is_sent_no_messages_and_loses_none() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        client = await subscribed(endpoint, DEVICES, clean_start=False)
        world.inboxes.commit(a_notification(2))
        await client.send(PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        await client.send(SubscribePacket(2, [TopicFilter("pushmesh/inbox")]))
        assert isinstance(await client.read(), SubAckPacket)
        titles = [json.loads((await publish_of(client)).payload)["fields"]["title"] for _ in range(2)]
        assert titles == ["Note 1 ", "Note 2 "]


async def test_the_own_subscriptions_come_whole_then_change_by_change() -> None:
    world = World()
    envelope = a_notification(1)  # any envelope stands for a subscription here: what is told is its display form
    world.subscriptions.whole = [Change(ALERTS, envelope)]
    async with running(world) as endpoint:
        client = await subscribed(endpoint, SUBSCRIPTIONS)
        whole = json.loads((await publish_of(client)).payload)
        assert (whole["type"], whole["more"]) == ("subscriptions", False)
        assert [each["id"] for each in whole["subscriptions"]] == [envelope.id.hex()]
        (following,) = world.subscriptions.followings
        following.queue.put_nowait([Change(ALERTS, None)])
        gone = json.loads((await publish_of(client)).payload)
        assert gone == {"type": "subscription", "topic": display_topic(ALERTS), "subscription": None}
        await client.send(UnsubscribePacket(2, [SUBSCRIPTIONS]))
        assert isinstance(await client.read(), UnsubAckPacket)
        await until(lambda: world.subscriptions.followings == [])
        await client.send(SubscribePacket(3, [TopicFilter(SUBSCRIPTIONS)]))
        assert isinstance(await client.read(), SubAckPacket)
        again = json.loads((await publish_of(client)).payload)
        assert again["type"] == "subscriptions", "whoever asks anew is told the whole set anew"
        await client.close()
        await until(lambda: world.subscriptions.followings == [])


async def test_a_resumed_session_hears_them_again_without_a_subscribe() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await subscribed(endpoint, SUBSCRIPTIONS, clean_start=False, session_expiry_interval=60)
        await publish_of(client)
        await client.close()
        await until(lambda: endpoint.connections == 0)
        again = await connected(endpoint, a_connect(clean_start=False, session_expiry_interval=60))
        assert json.loads((await publish_of(again)).payload)["subscriptions"] == []


async def test_a_word_larger_than_the_client_takes_is_left_out() -> None:
    world = World()
    world.subscriptions.whole = [Change(ALERTS, a_notification(1))]
    async with running(world) as endpoint:
        client = await subscribed(endpoint, SUBSCRIPTIONS, max_packet_size=200)
        await client.send(PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        (following,) = world.subscriptions.followings
        following.queue.put_nowait([Change(ALERTS, None)])
        assert isinstance(await client.read(), PublishPacket)


def news(heard: list[tuple[str, bytes]], writable: asyncio.Event, inboxes: FakeInboxes) -> News:
    def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def tell(topic: str, payload: bytes) -> None:
        heard.append((topic, payload))

    subscriptions = FakeSubscriptions()
    return News(a_principal(), "phone", inboxes, subscriptions, tell, begin, writable)


async def test_a_client_that_takes_no_bytes_misses_news_and_nothing_queues_for_it() -> None:
    heard: list[tuple[str, bytes]] = []
    writable, inboxes = asyncio.Event(), FakeInboxes()
    one = news(heard, writable, inboxes)
    one.follow(frozenset({DEVICES, SUBSCRIPTIONS}))
    for _ in range(1_000):
        one.told(ACKED)
    await asyncio.sleep(0)
    assert heard == []
    writable.set()
    one.told(ACKED)
    await until(lambda: len(heard) == 2)
    assert {topic for topic, _ in heard} == {DEVICES, SUBSCRIPTIONS}
    one.close()
    one.close()
    assert inboxes.listeners == []


async def test_messages_are_not_its_matter() -> None:
    heard: list[tuple[str, bytes]] = []
    writable, inboxes = asyncio.Event(), FakeInboxes()
    writable.set()
    one = news(heard, writable, inboxes)
    one.follow(frozenset({DEVICES}))
    inboxes.append([a_message(1)])
    assert (heard, inboxes.handed_over) == ([], [])
    one.close()
