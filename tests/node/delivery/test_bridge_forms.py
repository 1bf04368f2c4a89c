"""The properties that a bridge packs itself, read back by two other codecs."""

import pytest
from hypothesis import given, strategies as st
from mqtt5 import PublishPacket, QoS, read
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pushmesh_node.delivery.bridge_forms import PackedProperties, properties_of, properties_of_answer
from support.fake_inboxes import a_message

MESSAGE = a_message(7)


def read_by_mqtt5(properties: PackedProperties) -> PublishPacket:
    rest = b"\x00\x01t" + b"\x00\x01" + properties.pack() + b"payload"
    length = len(rest)
    head = bytes([0x32, length & 0x7F | (0x80 if length > 127 else 0)] + ([length >> 7] if length > 127 else []))
    packet, _ = read(memoryview(head + rest))
    assert isinstance(packet, PublishPacket) and packet.qos is QoS.AT_LEAST_ONCE
    return packet


def read_by_paho(properties: PackedProperties) -> dict[str, object]:
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
    found.unpack(properties.pack())  # type: ignore[no-untyped-call]  # nor here
    shown: dict[str, object] = found.json()  # type: ignore[no-untyped-call]  # nor here
    return shown


@pytest.mark.parametrize("life_s", [1, 2_592_000, 2**32 - 1])
def test_a_message_has_its_id_verdict_type_and_the_seconds_that_are_left(life_s: int) -> None:
    packed = properties_of(MESSAGE, life_s)
    packet = read_by_mqtt5(packed)
    assert packet.message_expiry_interval == life_s
    assert (packet.content_type, packet.payload_format_indicator) == ("application/json", 1)
    assert packet.user_properties == [("id", MESSAGE.envelope.id.hex()), ("verdict", "now")]
    assert packet.payload == b"payload"
    assert read_by_paho(packed) == {
        "MessageExpiryInterval": life_s,
        "ContentType": "application/json",
        "PayloadFormatIndicator": 1,
        "UserProperty": [("id", MESSAGE.envelope.id.hex()), ("verdict", "now")],
    }


@given(st.none() | st.binary(max_size=300))
def test_an_answer_has_the_correlation_data_of_its_request(correlation: bytes | None) -> None:
    packet = read_by_mqtt5(properties_of_answer(correlation))
    assert packet.correlation_data == correlation
    assert (packet.content_type, packet.user_properties, packet.payload) == ("application/json", [], b"payload")
