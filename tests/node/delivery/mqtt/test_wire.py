"""The reader of packets: whole packets whatever the pieces, limits, other versions, and any bytes at all."""

import random

import pytest
from hypothesis import given, settings, strategies as st
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt.wire import MOST_AT_ONCE, Broken, Inbound, OtherVersion, PacketReader

CONNECT = ConnectPacket("phone", username="u", password=b"p")
PUBLISH = PublishPacket("pushmesh/publish", b"x" * 300, qos=QoS.AT_LEAST_ONCE, packet_id=4)
STREAM: list[Packet] = [
    CONNECT,
    PUBLISH,
    PubAckPacket(9),
    SubscribePacket(5, [TopicFilter("pushmesh/inbox")]),
    PingReqPacket(),
]
BYTES = b"".join(packet.write() for packet in STREAM)


def shown(packets: list[Inbound]) -> list[str]:
    return [repr(packet) for packet in packets]


def test_packets_come_out_whole_whatever_the_pieces(rng: random.Random) -> None:
    for _ in range(200):
        reader, found, at = PacketReader(1_000), [], 0
        while at < len(BYTES):
            size = rng.randrange(1, 40)
            found += reader.feed(BYTES[at : at + size])
            at += size
        assert shown(found) == [repr(packet) for packet in STREAM]


def test_a_packet_over_the_limit_is_told_by_its_header_alone() -> None:
    reader = PacketReader(100)
    assert reader.feed(b"\x30\xff\xff\xff\x7f") == [
        Broken(DisconnectReasonCode.PACKET_TOO_LARGE, "a packet is larger than 100 bytes")
    ]
    assert reader.feed(PingReqPacket().write()) == []


def test_a_packet_of_exactly_the_limit_is_read() -> None:
    data = PUBLISH.write()
    assert shown(PacketReader(len(data)).feed(data)) == [repr(PUBLISH)]
    assert isinstance(PacketReader(len(data) - 1).feed(data)[0], Broken)


def test_good_packets_before_a_bad_one_still_count() -> None:
    found = PacketReader(1_000).feed(PingReqPacket().write() + b"\x00\x00" + PingReqPacket().write())
    assert shown(found[:1]) == [repr(PingReqPacket())]
    assert isinstance(found[1], Broken) and len(found) == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x30\xff\xff\xff\xff\x01", DisconnectReasonCode.MALFORMED_PACKET),
        (ConnAckPacket().write(), DisconnectReasonCode.PROTOCOL_ERROR),
        (PingRespPacket().write(), DisconnectReasonCode.PROTOCOL_ERROR),
        (b"\xc0\x01\x00", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x32\x04\x00\x09ab", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x36\x05\x00\x01a\x00\x01", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x10\x06\x00\x04HTTP", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x10\x00", DisconnectReasonCode.MALFORMED_PACKET),
    ],
)
def test_what_is_malformed_has_its_code(data: bytes, code: DisconnectReasonCode) -> None:
    (broken,) = PacketReader(1_000).feed(data)
    assert isinstance(broken, Broken)
    assert broken.code is code


@pytest.mark.parametrize(
    ("connect", "old"),
    [
        ("100f00044d5154540402003c0003616263", True),
        ("101100064d51497364700302003c0003616263", True),
        ("100f00044d5154540602003c0003616263", False),
    ],
)
def test_another_version_is_told_apart_from_garbage(connect: str, old: bool) -> None:
    assert PacketReader(1_000).feed(bytes.fromhex(connect)) == [OtherVersion(old)]


def test_a_text_that_is_no_utf8_never_reaches_the_codec(capfd: pytest.CaptureFixture[str]) -> None:
    data = ConnectPacket("abcd").write().replace(b"abcd", b"\xb4\xff\xff\xff")
    (broken,) = PacketReader(1_000).feed(data)
    assert broken == Broken(DisconnectReasonCode.MALFORMED_PACKET, "a text is not UTF-8")
    assert capfd.readouterr().err == ""


@settings(max_examples=500)
@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([packet.write() for packet in STREAM])), max_size=6
    )
)
def test_any_bytes_give_packets_and_at_most_one_end(pieces: list[bytes]) -> None:
    reader = PacketReader(1_000)
    found = [entry for piece in pieces for entry in reader.feed(piece)]
    assert not any(isinstance(entry, Broken | OtherVersion) for entry in found[:-1])


@settings(max_examples=500)
@given(data=st.data())
def test_a_damaged_packet_gives_packets_or_an_end(data: st.DataObject) -> None:
    raw = bytearray(BYTES)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = PacketReader(1_000).feed(bytes(raw))
    assert not any(isinstance(entry, Broken | OtherVersion) for entry in found[:-1])


def test_of_a_flood_of_packets_so_many_come_at_once_and_all_in_the_end_in_their_order() -> None:
    flood = [PubAckPacket(number) for number in range(1, 2 * MOST_AT_ONCE + 2)]
    reader = PacketReader(1_000)
    found = reader.feed(b"".join([packet.write() for packet in flood]) + b"\xc0")
    assert len(found) == MOST_AT_ONCE and reader.has_more and not reader.is_between
    found += reader.feed(b"\x00")
    assert len(found) == 2 * MOST_AT_ONCE and reader.has_more
    found += reader.feed(b"")
    assert not reader.has_more and reader.is_between
    assert shown(found) == [repr(packet) for packet in [*flood, PingReqPacket()]]
    whole = PacketReader(1_000)
    whole.feed(b"\xc0\x00" * MOST_AT_ONCE)
    assert not whole.has_more
