"""A connection to a broker: why it ends, and that a confirmation is one of the publish that it names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiomqtt
import pytest
from mqtt5 import PubAckReasonCode

from pushmesh_node.delivery import bridge_client
from pushmesh_node.delivery.bridge_client import BrokerClient, BrokerRefused
from pushmesh_node.delivery.bridge_forms import PackedProperties
from support.bridges import some_settings
from support.scripted_broker import ScriptedBroker, scripted_broker
from support.until import until

NOTHING = PackedProperties(b"")


@asynccontextmanager
async def connected(broker: ScriptedBroker) -> AsyncIterator[BrokerClient]:
    client = BrokerClient(some_settings(broker.port), "bridge")
    await client.dial()
    try:
        yield client
    finally:
        await client.hang_up()


async def test_each_confirmation_is_told_to_the_publish_that_it_names() -> None:
    told: list[str] = []
    async with scripted_broker() as broker, connected(broker) as client:
        for name in ("a", "b", "c"):
            client.send(name, name.encode(), NOTHING, partial(told.append, name))
        packets = [await broker.publish() for _ in range(3)]
        assert [(each.topic, bytes(each.payload)) for each in packets] == [("a", b"a"), ("b", b"b"), ("c", b"c")]
        broker.confirm(packets[2], packets[0])
        await until(lambda: told == ["c", "a"])


async def test_a_broker_that_does_not_confirm_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_broker() as broker, connected(broker) as client:
        monkeypatch.setattr(bridge_client, "CONFIRM_S", 0.05)
        client.send("stuck", b"", NOTHING, lambda: None)
        async with asyncio.timeout(20):
            with pytest.raises(aiomqtt.MqttError, match="does not confirm"):
                await client.until_lost()


async def test_it_is_given_up_though_it_confirms_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_broker() as broker, connected(broker) as client:
        confirmed: list[str] = []
        for name in ("stuck", "well"):
            client.send(name, b"", NOTHING, partial(confirmed.append, name))
        _, well = [await broker.publish() for _ in range(2)]
        broker.confirm(well)
        await until(lambda: confirmed == ["well"])
        monkeypatch.setattr(bridge_client, "CONFIRM_S", 0.0)  # the time of both is over
        client._look()
        with pytest.raises(aiomqtt.MqttError, match="does not confirm"):
            await client.until_lost()


async def test_confirmed_in_time_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_broker() as broker, connected(broker) as client:
        lost, confirmed = asyncio.create_task(client.until_lost()), list[int]()
        for number in range(3):
            client.send("well", b"", NOTHING, partial(confirmed.append, number))
            broker.confirm(await broker.publish())
        await until(lambda: confirmed == [0, 1, 2])
        monkeypatch.setattr(bridge_client, "CONFIRM_S", 0.0)  # the time of each is over
        client._look()
        assert await asyncio.wait((lost,), timeout=0.05) == (set(), {lost})
        lost.cancel()


async def test_a_broker_that_refuses_and_hangs_up_has_refused() -> None:
    async with scripted_broker() as broker, connected(broker) as client:
        confirmed: list[bool] = []
        client.send("forbidden", b"", NOTHING, lambda: confirmed.append(True))
        broker.confirm(await broker.publish(), code=PubAckReasonCode.NOT_AUTHORIZED)
        broker.hang_up()
        with pytest.raises(BrokerRefused, match="Not authorized"):
            await client.until_lost()
        assert isinstance(client.failure, BrokerRefused) and confirmed == []


async def test_a_broker_that_hangs_up_is_lost_and_takes_no_more() -> None:
    async with scripted_broker() as broker, connected(broker) as client:
        broker.hang_up()
        with pytest.raises(aiomqtt.MqttError, match="hung up"):
            await client.until_lost()
        assert client.failure is None
        with pytest.raises(aiomqtt.MqttError):
            client.send("late", b"", NOTHING, lambda: None)


async def test_what_the_broker_said_of_its_limits_is_known() -> None:
    async with scripted_broker(receive_max=7, max_packet_size=100) as broker, connected(broker) as client:
        assert (client.receive_maximum, client.packet_bytes) == (7, 100)
        assert client.takes("t", b"x" * 60, NOTHING) and not client.takes("t", b"x" * 100, NOTHING)
    async with scripted_broker() as broker, connected(broker) as client:
        assert (client.receive_maximum, client.packet_bytes) == (65_535, None)
        assert client.takes("t", b"x" * 1_000_000, NOTHING)
