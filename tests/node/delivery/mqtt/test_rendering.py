"""Messages as PUBLISH packets: each form, their properties, and a bounded cache."""

import json
from typing import cast

import mqtt5
from mqtt5 import PublishPacket, QoS

from pushmesh_node.delivery.mqtt.rendering import Renderer, gap_notice
from pushmesh_node.delivery.mqtt.subscriptions import Form, Route
from support.fake_inboxes import a_message

INCARNATION = b"\xab" * 16
SURE_JSON = Route("pushmesh/inbox", True, Form.JSON)


def read(data: bytes) -> PublishPacket:
    packet, size = mqtt5.read(memoryview(data))
    assert size == len(data)
    return cast(PublishPacket, packet)


def test_the_json_form_is_what_a_person_reads() -> None:
    message = a_message(7)
    packet = read(Renderer(INCARNATION).packet(message, SURE_JSON, 3, 60))
    assert (packet.topic, packet.packet_id, packet.message_expiry_interval) == ("pushmesh/inbox", 3, 60)
    assert (packet.qos, packet.content_type, packet.payload_format_indicator) == (
        QoS.AT_LEAST_ONCE,
        "application/json",
        1,
    )
    shown = json.loads(packet.payload)
    assert (shown["id"], shown["fields"]["title"]) == (message.envelope.id.hex(), "Note 7 ")
    assert packet.user_properties == [
        ("id", message.envelope.id.hex()),
        ("cursor", f"{INCARNATION.hex()}.7"),
        ("verdict", "now"),
        ("reason", "subscribed"),
        ("kind", "notification"),
    ]


def test_the_frame_form_is_what_a_wallet_verifies() -> None:
    message = a_message(7)
    packet = read(Renderer(INCARNATION).packet(message, Route("a", False, Form.FRAME), None, 60))
    assert (packet.payload, packet.content_type) == (message.frame, "application/vnd.pushmesh.frame")
    assert (packet.qos, packet.packet_id) == (QoS.AT_MOST_ONCE, None)


def test_the_cache_never_changes_what_is_written_and_stays_in_its_bounds() -> None:
    small, large = Renderer(INCARNATION, cache_bytes=4_000), Renderer(INCARNATION)
    for number in [1, 2, 3, 1, 1, 4, 2]:
        message = a_message(number)
        assert small.packet(message, SURE_JSON, 1, 9) == large.packet(message, SURE_JSON, 1, 9)
        assert small.cached_bytes <= 4_000
    assert large.cached_bytes > 4_000


def test_notices_have_no_payload_and_say_why() -> None:
    notice = read(Renderer(INCARNATION).notice(a_message(7), SURE_JSON, 5, "oversize"))
    assert (notice.payload, notice.packet_id) == (b"", 5)
    assert dict(notice.user_properties)["notice"] == "oversize"
    gap = read(gap_notice("pushmesh/inbox", "another store"))
    assert dict(gap.user_properties) == {"kind": "gap", "notice": "another store"}


def test_a_live_marker_has_no_payload_and_says_up_to_where() -> None:
    marker = read(Renderer(INCARNATION).live("pushmesh/inbox", 7))
    assert (marker.topic, marker.payload, marker.qos) == ("pushmesh/inbox", b"", QoS.AT_MOST_ONCE)
    assert marker.user_properties == [("cursor", f"{INCARNATION.hex()}.7"), ("kind", "live")]
