"""Texts of packets: what the codec would panic on is told before."""

import mqtt5
import pytest
from mqtt5 import (
    AuthPacket,
    ConnectPacket,
    DisconnectPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
    UnsubscribePacket,
    Will,
)

from pushmesh_node.delivery.mqtt.texts import BadPacket, check_texts

WILL = Will("wwww", payload=b"\xff\xfe", content_type="tttt", user_properties=[("kkkk", "vvvv")])
PACKETS = [
    ConnectPacket("iiii", username="uuuu", password=b"\xff", will=WILL, authentication_method="mmmm").write(),
    ConnectPacket(
        "", authentication_method="mmmm", authentication_data=b"\xff", user_properties=[("a", "bbbb")]
    ).write(),
    PublishPacket("tttt", b"\xff\x00", qos=QoS.AT_LEAST_ONCE, packet_id=9, message_expiry_interval=4).write(),
    PublishPacket("tttt", b"\xff\x00", response_topic="rrrr", correlation_data=b"\xff", topic_alias=3).write(),
    SubscribePacket(7, [TopicFilter("ffff"), TopicFilter("gggg")], subscription_id=300).write(),
    UnsubscribePacket(7, ["ffff", "gggg"]).write(),
    PubAckPacket(7, reason_str="rrrr", user_properties=[("kkkk", "vvvv")]).write(),
    DisconnectPacket(reason_str="rrrr").write(),
    AuthPacket(authentication_method="mmmm", authentication_data=b"\xff").write(),
]


def body_of(packet: bytes) -> bytes:
    assert packet[1] < 128, "the tests' packets have a remaining length of one byte"
    return packet[2:]


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: f"type{packet[0] >> 4}")
def test_what_the_codec_writes_passes(packet: bytes) -> None:
    check_texts(packet[0], body_of(packet))
    assert mqtt5.read(memoryview(packet))[1] == len(packet)


@pytest.mark.parametrize("bad", [b"\xb4\xb4\xb4\xb4", b"ab\0c", b"\xed\xa0\x80a", b"\0\xc3\xa9a"])
@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: f"type{packet[0] >> 4}")
def test_each_text_of_each_packet_is_looked_at(packet: bytes, bad: bytes) -> None:
    words = [letter * 4 for letter in (b"i", b"u", b"w", b"t", b"k", b"v", b"m", b"b", b"r", b"f", b"g")]
    seen = [word for word in words if word in packet]
    assert seen
    for word in seen:
        with pytest.raises(BadPacket, match="text"):
            check_texts(packet[0], body_of(packet).replace(word, bad, 1))


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: f"type{packet[0] >> 4}")
def test_a_packet_cut_anywhere_is_told_or_still_whole(packet: bytes) -> None:
    body = body_of(packet)
    told = 0
    for size in range(len(body)):
        try:
            check_texts(packet[0], body[:size])
        except BadPacket:
            told += 1
    assert told > 0


def test_an_unknown_property_is_malformed() -> None:
    with pytest.raises(BadPacket, match="no known number"):
        check_texts(0xE0, b"\x00\x02\x7e\x00")


def test_properties_that_overrun_their_length_are_malformed() -> None:
    with pytest.raises(BadPacket, match="properties' end"):
        check_texts(0xE0, b"\x00\x03\x1f\x00\x04abcd")


def test_an_endless_variable_byte_integer_is_malformed() -> None:
    with pytest.raises(BadPacket, match="four bytes"):
        check_texts(0xE0, b"\x00\xff\xff\xff\xff\x01")


@pytest.mark.parametrize(
    ("first_byte", "body"),
    [
        (0x82, b"\0\0\0\0\1a\1"),
        (0x82, b"\0\1\0"),
        (0x82, b"\0\1\0\0\1a\x41"),
        (0xA2, b"\0\0\0\0\1a"),
        (0xA2, b"\0\1\0"),
        (0x32, b"\0\1a\0\0\0"),
        (0x38, b"\0\1a\0"),
        (0x10, b"\0\4MQTT\5\x03\0\0\0\0\0"),
        (0x10, b"\0\4MQTT\5\x22\0\0\0\0\0"),
        (0x10, b"\0\4MQTT\5\x0a\0\0\0\0\0"),
    ],
)
def test_what_the_codec_lets_pass_though_it_is_forbidden_is_malformed(first_byte: int, body: bytes) -> None:
    mqtt5.read(memoryview(bytes((first_byte, len(body))) + body))
    with pytest.raises(BadPacket):
        check_texts(first_byte, body)
