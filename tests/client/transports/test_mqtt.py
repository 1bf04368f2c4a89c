import asyncio
import socket
from typing import Any

import pytest
from mqtt5 import ConnAckPacket

from pushmesh_client import Dapp, Node, Refused, SlotBook, Subscriber, Unreachable
from pushmesh_client.transports import Delivery, mqtt
from pushmesh_client.transports.contract import Request
from pushmesh_client.transports.mqtt import MqttTransport
from support.wallets import a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)


async def a_transport(node: Node, account: str = READER.display) -> MqttTransport:
    address = (await node.status())["mqtt_address"]
    return MqttTransport(address, account, Subscriber(node, READER, SlotBook()).credential)


async def first_of(transport: MqttTransport) -> Delivery:
    events = transport.events()
    delivery = await anext(events)
    await events.aclose()
    assert isinstance(delivery, Delivery)
    return delivery


async def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    await Subscriber(node, READER, SlotBook()).subscribe(dapp.topic("prices"))
    for title in ("one", "two"):
        await dapp.publish("prices", title=title)
    cursors = []
    for acknowledged in (False, True, True):
        transport = await a_transport(node)
        await transport.open(Request("phone", None, None))
        delivery = await first_of(transport)
        cursors.append(delivery.cursor)
        if acknowledged:
            await transport.acknowledge(delivery.cursor, None)
        await transport.close()
        await transport.close()
    assert cursors[0] == cursors[1] != cursors[2]


async def test_another_wallets_name_is_refused(node: Node) -> None:
    transport = await a_transport(node, OWNER.display)
    with pytest.raises(Refused):
        await transport.open(Request("phone", None, None))


async def test_a_topic_that_is_none_is_refused(node: Node) -> None:
    transport = await a_transport(node)
    with pytest.raises(Refused):
        await transport.open(Request("phone", None, ("nonsense",)))
    await transport.close()


async def test_nobody_there_is_unreachable_and_a_wrong_address_is_refused_at_once(node: Node) -> None:
    login = Subscriber(node, READER, SlotBook()).credential
    with pytest.raises(Unreachable):
        await MqttTransport("mqtt://127.0.0.1:1", READER.display, login).open(Request("phone", None, None))
    with pytest.raises(ValueError, match="not the address of an MQTT endpoint"):
        MqttTransport("http://127.0.0.1:1", READER.display, login)


@pytest.mark.parametrize("answers", [0, 1])
async def test_a_node_that_goes_before_it_has_answered_is_noticed_at_once(answers: int) -> None:
    """It hears CONNECT; or it answers that, and hears SUBSCRIBE."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answers):
            await reader.read(65_536)
            writer.write(ConnAckPacket().write())
        await reader.read(65_536)
        writer.close()

    async def login() -> str:
        return "a log-in"

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(20):
        port = server.sockets[0].getsockname()[1]
        transport = MqttTransport(f"mqtt://127.0.0.1:{port}", READER.display, login, timeout_s=3_600)
        with pytest.raises(Unreachable):
            await transport.open(Request("phone", None, None))


async def test_a_socket_that_was_closed_is_not_watched_for_its_number_may_be_anothers_by_then() -> None:
    loop, faults = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    client = mqtt._Client("127.0.0.1", 1)
    mine, other_end = socket.socketpair()
    with other_end:
        client._on_socket_register_write(client._client, None, mine)
        mine.close()
        for _ in range(3):
            await asyncio.sleep(0)
    assert faults == []
