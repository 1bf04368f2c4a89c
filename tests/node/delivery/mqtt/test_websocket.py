"""MQTT over WebSocket, through the real HTTP server: the stream of bytes however it is cut, both ways bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import mqtt5
import pytest
from aiohttp import WSMsgType, web
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.api.errors import error_middleware
from pushmesh_node.delivery.mqtt import Limits, MqttEndpoint, websocket, websocket as room
from pushmesh_node.delivery.mqtt.websocket import PATH, SocketRoute
from support.fake_inboxes import a_message, a_notification
from support.mqtt_world import ALICE, QUICK, World, a_connect, until


@dataclass
class Served:
    """An endpoint whose only door is a WebSocket."""

    endpoint: MqttEndpoint
    http: aiohttp.ClientSession
    url: str
    faults: list[BaseException] = field(default_factory=list)

    async def dial(self, **more: Any) -> "Client":
        return Client(await self.http.ws_connect(self.url, **({"protocols": ("mqtt",)} | more)))


class Client:
    """Says exactly what a test wants, in messages as it likes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._held = b""

    async def send(self, *packets: Packet) -> None:
        await self.socket.send_bytes(b"".join([packet.write() for packet in packets]))

    def vanish(self) -> None:
        """Without a word, as a phone in a tunnel does."""
        connection = self.socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.abort()

    async def read(self) -> Packet | None:
        """The next packet; None when the server has closed."""
        async with asyncio.timeout(20):
            while True:
                try:
                    packet, size = mqtt5.read(memoryview(self._held))
                except IndexError:
                    message = await self.socket.receive()
                    if message.type is not WSMsgType.BINARY:
                        return None
                    self._held += message.data
                else:
                    self._held = self._held[size:]
                    return packet


@asynccontextmanager
async def served(world: World, limits: Limits = QUICK, message_bytes: int = 524_288) -> AsyncIterator[Served]:
    endpoint = world.endpoint(limits)
    faults: list[BaseException] = []

    def report(fault: BaseException, where: str) -> None:
        faults.append(fault)

    app = web.Application(middlewares=[error_middleware(report)])
    app.add_routes([web.get(PATH, SocketRoute(endpoint, message_bytes).serve)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Served(endpoint, http, f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}", faults)
            await endpoint.close()
    finally:
        await runner.cleanup()
    assert (world.faults, faults, endpoint.connections) == ([], [], 0)


async def listening(node: Served, **changes: Any) -> Client:
    client = await node.dial()
    await client.send(a_connect(**changes), SubscribePacket(1, [TopicFilter("pushmesh/inbox")]))
    assert isinstance(await client.read(), ConnAckPacket)
    assert isinstance(await client.read(), SubAckPacket)
    return client


async def test_a_wallet_listens_and_acknowledges_over_a_websocket() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with served(world) as node:
        client = await listening(node, clean_start=False)
        assert client.socket.protocol == "mqtt"
        packet = await client.read()
        assert isinstance(packet, PublishPacket)
        assert dict(packet.user_properties)["id"] == a_notification(1).id.hex()
        await client.send(PubAckPacket(packet.packet_id or 0))
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 1)
        await client.socket.close()
        await until(lambda: node.endpoint.connections == 0)
    assert world.addresses == ["127.0.0.1"]


async def test_packets_may_be_cut_and_joined_at_any_byte() -> None:
    world = World()
    async with served(world) as node:
        client = await node.dial()
        data = b"".join([packet.write() for packet in (a_connect(), PingReqPacket(), PingReqPacket())])
        for at in range(0, len(data), 7):
            await client.socket.send_bytes(data[at : at + 7])
        kinds = [type(await client.read()) for _ in range(3)]
        assert kinds == [ConnAckPacket, PingRespPacket, PingRespPacket]
        await client.socket.close()


async def test_the_subprotocol_is_mqtt_and_is_asked_for() -> None:
    world = World()
    async with served(world) as node:
        for protocols in ((), ("mqttv3.1",)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await node.dial(protocols=protocols)
            assert caught.value.status == 400
        assert (await node.dial(protocols=("other", "mqtt"))).socket.protocol == "mqtt"


async def test_a_text_message_is_no_mqtt_and_ends_the_connection() -> None:
    world = World()
    async with served(world) as node:
        client = await listening(node)
        await client.socket.send_str("hello")
        assert await client.read() is None
        assert client.socket.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA


async def test_a_message_larger_than_allowed_ends_the_connection() -> None:
    world = World()
    async with served(world, message_bytes=10_000) as node:
        client = await listening(node)
        await client.socket.send_bytes(b"\x30" * 10_001)
        assert await client.read() is None
        assert client.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        await until(lambda: node.endpoint.connections == 0)


async def test_the_last_words_of_the_node_arrive_before_the_close() -> None:
    world = World()
    async with served(world) as node:
        client = await listening(node)
        await client.send(PublishPacket("pushmesh/inbox", b"", qos=QoS.AT_MOST_ONCE))
        words = await client.read()
        assert isinstance(words, DisconnectPacket) and words.reason_code == DisconnectReasonCode.NOT_AUTHORIZED
        assert await client.read() is None
        refused = await node.dial()
        await refused.send(a_connect(password=b"nonsense"))
        answer = await refused.read()
        assert isinstance(answer, ConnAckPacket)
        assert answer.reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
        assert await refused.read() is None


async def test_a_client_that_reads_the_last_words_hangs_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PARTING_S", 60)  # longer than anything here waits
    world = World()
    async with served(world) as node:
        client = await listening(node)
        closing = asyncio.create_task(node.endpoint.close())
        assert isinstance(await client.read(), DisconnectPacket)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):  # no close is said: it could overtake what was not read yet
                await client.socket.receive()
        await client.socket.close()
        await closing
        assert node.endpoint.connections == 0


async def test_more_connections_than_there_is_room_for_are_refused_before_the_upgrade() -> None:
    world = World()
    async with served(world, Limits(connections=1)) as node:
        client = await listening(node)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await node.dial()
        assert caught.value.status == 429
        await client.socket.close()
        await until(lambda: node.endpoint.connections == 0)
        await listening(node)


MUCH = 12_000
"""Messages that no buffer takes in."""


@asynccontextmanager
async def a_client_that_takes_nothing(limits: Limits) -> AsyncIterator[tuple[World, Served, Client]]:
    """Though there is much for it."""
    world = World()
    long = a_notification(1, text="x" * 200)
    world.inboxes.append([a_message(number, long) for number in range(1, MUCH + 1)])
    async with served(world, limits) as node:
        client = await node.dial(max_msg_size=0)
        client.socket._reader._protocol.pause_reading()  # nothing public stops a client from reading
        once = TopicFilter("pushmesh/inbox", max_qos=QoS.AT_MOST_ONCE)
        await client.send(a_connect(clean_start=False), SubscribePacket(1, [once]))
        yield world, node, client


async def test_a_client_that_takes_no_bytes_is_ended_and_costs_no_memory() -> None:
    limits = Limits(write_timeout_s=0.2, acknowledge_after_s=0.0)
    async with a_client_that_takes_nothing(limits) as (world, node, client):
        await until(lambda: ("end", "slow-consumer") in world.seen)
        client.vanish()
        await until(lambda: node.endpoint.connections == 0)
        assert 0 < world.inboxes.devices[(ALICE, "phone")] < MUCH


async def test_a_client_that_says_goodbye_and_takes_no_bytes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GOODBYE_S", 0.05)
    limits = Limits(write_timeout_s=600.0, acknowledge_after_s=0.0)
    async with a_client_that_takes_nothing(limits) as (_, node, client):
        await until(lambda: bool(node.endpoint._alive))
        (link,) = node.endpoint._alive
        await until(lambda: not link._writable.is_set())
        await client.socket._writer.close(1000)
        await until(lambda: node.endpoint.connections == 0)
        client.vanish()


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    world = World()
    async with served(world) as node:
        client = await listening(node)
        client.vanish()
        await until(lambda: node.endpoint.connections == 0)
        assert world.inboxes.listeners == []
