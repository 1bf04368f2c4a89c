"""What a raw MQTT client says and hears in order, so that tests begin where their matter does."""

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt import MqttEndpoint
from support.mqtt_world import (
    RawClient,
    a_connect,
)

INCARNATION = "ab" * 16


async def connected(endpoint: MqttEndpoint, connect: ConnectPacket | None = None) -> RawClient:
    client = await RawClient.dial(endpoint.port)
    await client.send(a_connect() if connect is None else connect)
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.SUCCESS, answer
    return client


async def listening(
    endpoint: MqttEndpoint, connect: ConnectPacket | None = None, qos: QoS = QoS.AT_LEAST_ONCE
) -> RawClient:
    client = await connected(endpoint, connect)
    await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox", max_qos=qos)]))
    assert isinstance(await client.read(), SubAckPacket)
    return client


async def publish_of(client: RawClient) -> PublishPacket:
    packet = await client.read()
    assert isinstance(packet, PublishPacket), packet
    return packet


async def last_words(client: RawClient) -> DisconnectPacket:
    packet = await client.read()
    assert isinstance(packet, DisconnectPacket), packet
    assert await client.read() is None
    return packet
