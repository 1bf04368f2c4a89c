"""Messages to one client: what is too old or too large is passed over, told and counted, never silently lost."""

import mqtt5
from mqtt5 import PublishPacket, QoS

from pushmesh_node.delivery.mqtt.deliveries import Deliveries
from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_node.delivery.mqtt.subscriptions import Form, Subscriptions
from pushmesh_node.delivery.mqtt.window import InFlight
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.reasons import Reason
from support.bodies import ISSUED_AT
from support.fake_inboxes import a_message, a_notification, a_principal


def whole_inbox() -> Subscriptions:
    subscriptions = Subscriptions(8)
    subscriptions.subscribe(a_principal(), "pushmesh/inbox", QoS.AT_LEAST_ONCE, Form.JSON)
    return subscriptions


def deliveries(max_packet_bytes: int = 100_000, aliases: int = 0, left: InFlight | None = None) -> Deliveries:
    renderer = Renderer(b"\xab" * 16)
    return Deliveries(renderer, size=10, max_packet_bytes=max_packet_bytes, aliases=aliases, left=left)


def read(data: bytes) -> PublishPacket:
    packet, _ = mqtt5.read(memoryview(data))
    assert isinstance(packet, PublishPacket)
    return packet


def test_messages_become_packets_in_order_with_the_seconds_that_are_left() -> None:
    way_out, messages = deliveries(), [a_message(3), a_message(5)]
    written = way_out.write(messages, whole_inbox(), ISSUED_AT + DAY_MS - 61_900)
    packets = [read(each) for each in written.packets]
    assert [(each.packet_id, each.message_expiry_interval) for each in packets] == [(1, 61), (2, 61)]
    assert (written.messages, written.passed_over) == (messages, [])


def test_an_expired_message_is_passed_over_and_counted() -> None:
    way_out = deliveries()
    written = way_out.write([a_message(3)], whole_inbox(), ISSUED_AT + DAY_MS)
    assert (written.packets, written.messages, written.passed_over) == ([], [], [Reason.EXPIRED])
    assert way_out.window.acknowledged == 3


def test_a_message_too_large_for_the_client_is_named_without_its_payload() -> None:
    way_out = deliveries(600)
    written = way_out.write([a_message(3)], whole_inbox(), ISSUED_AT)
    (notice,) = (read(each) for each in written.packets)
    assert notice.payload == b"" and dict(notice.user_properties)["notice"] == "oversize"
    assert (written.messages, written.passed_over) == ([], [Reason.OVERSIZE])
    assert way_out.window.acknowledge(notice.packet_id or 0) and way_out.window.acknowledged == 3


def test_a_client_that_cannot_even_take_the_notice_is_passed_by_and_counted() -> None:
    way_out = deliveries(60)
    written = way_out.write([a_message(3)], whole_inbox(), ISSUED_AT)
    assert (written.packets, written.passed_over) == ([], [Reason.OVERSIZE])
    assert (way_out.window.acknowledged, way_out.window.room) == (3, 10)


def test_what_is_not_subscribed_to_is_left_out() -> None:
    written = deliveries().write([a_message(3)], Subscriptions(8), ISSUED_AT)
    assert (written.packets, written.messages, written.passed_over) == ([], [], [])


def test_what_was_on_its_way_before_is_marked_as_a_duplicate_and_what_was_acknowledged_left_out() -> None:
    way_out = deliveries(left=InFlight(((3, 7), (4, 0), (5, 8)), 9))
    written = way_out.write([a_message(number) for number in (3, 4, 5, 6)], whole_inbox(), ISSUED_AT)
    packets = [read(each) for each in written.packets]
    assert [(each.packet_id, each.duplicate) for each in packets] == [(7, True), (8, True), (9, False)]
    assert [each.commit_no for each in written.messages] == [3, 5, 6]
    for packet_id in (7, 8, 9):
        way_out.window.acknowledge(packet_id)
    assert way_out.window.acknowledged == 6


def test_an_alias_is_set_by_the_first_packet_that_fits_and_by_no_other() -> None:
    small = len(deliveries().write([a_message(3)], whole_inbox(), ISSUED_AT).packets[0]) + 10
    way_out = deliveries(small, aliases=1)
    large = a_message(2, a_notification(2, text="x" * 200))
    written = way_out.write([large, a_message(3), a_message(4)], whole_inbox(), ISSUED_AT)
    named = [(each.topic, each.topic_alias) for each in map(read, written.packets)]
    assert named == [("pushmesh/inbox", None), ("pushmesh/inbox", 1), ("", 1)]
