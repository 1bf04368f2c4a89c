"""What a client may publish, and how it is told."""

import json
from typing import Any

import mqtt5
import pytest
from mqtt5 import DisconnectReasonCode as Code, PubAckPacket, PubAckReasonCode, PublishPacket, QoS

from pushmesh_node.delivery.mqtt.events import SubmitFrame, SubmitRead
from pushmesh_node.delivery.mqtt.limits import Limits
from pushmesh_node.delivery.mqtt.publisher import Publisher, Reply
from pushmesh_node.delivery.mqtt.requests import Why
from pushmesh_node.delivery.mqtt.subscriptions import Form, Subscriptions
from pushmesh_node.delivery.mqtt.wire import Broken
from pushmesh_node.engine.answers import Acknowledged, Level, Outcome, Permission, Principal, Wait
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId
from pushmesh_protocol.vouchers import Voucher

ALICE = Principal(Account(b"\x00" + b"\xaa" * 20), frozenset(Permission), None, None, None)
READER = Principal(ALICE.account, frozenset({Permission.READ}), None, None, None)
PUBLISHER = Principal(ALICE.account, frozenset({Permission.PUBLISH}), None, None, None)
RECEIPTS = "pushmesh/receipts/me"
DURABLE = Outcome(EnvelopeId(b"\x01" * 32), Level.DURABLE, Reason.OK, "", "", 4)
RECEIPT = Acknowledged(DURABLE, b"receipt", ())
REFUSED = Outcome(EnvelopeId(b"\x01" * 32), Level.REFUSED, Reason.NOT_ENOUGH_WORK, "6.4", "20 bits", None)


def a_publisher(**changes: Any) -> Publisher:
    return Publisher(Limits(), **({"wants_words": True, "max_packet_bytes": 10_000} | changes))


def with_receipts() -> Subscriptions:
    subscriptions = Subscriptions(8)
    subscriptions.subscribe(ALICE, RECEIPTS, QoS.AT_LEAST_ONCE, Form.JSON)
    return subscriptions


def a_publish(
    topic: str = "pushmesh/publish", payload: bytes = b"\x94", packet_id: int | None = None, **more: Any
) -> PublishPacket:
    qos = QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE
    return PublishPacket(topic, payload, qos=qos, packet_id=packet_id, **more)


def take(publisher: Publisher, packet: PublishPacket, principal: Principal = ALICE) -> object:
    return publisher.take(packet, packet.topic, principal, with_receipts())


def packets(data: bytes) -> list[Any]:
    found = []
    while data:
        packet, size = mqtt5.read(memoryview(data))
        found.append(packet)
        data = data[size:]
    return found


def test_a_frame_without_a_response_topic_waits_for_nothing_but_its_puback() -> None:
    publisher = a_publisher()
    assert take(publisher, a_publish(packet_id=3)) == SubmitFrame(0, b"\x94", False)
    reply = publisher.frame_answered(0, [REFUSED])
    (answer,) = packets(reply.data)
    assert (answer.packet_id, answer.reason_code) == (3, PubAckReasonCode.QUOTA_EXCEEDED)
    assert reply.refused is Reason.NOT_ENOUGH_WORK
    assert publisher.told(0, [RECEIPT]) == publisher.frame_answered(0, [DURABLE]) == Reply(b"", None)


def test_receipts_go_where_the_client_asked_after_its_puback_or_before() -> None:
    for receipt_first in (False, True):
        publisher = a_publisher()
        packet = a_publish(packet_id=3, response_topic=RECEIPTS, correlation_data=b"c")
        assert take(publisher, packet) == SubmitFrame(0, b"\x94", False, Wait())
        replies = [publisher.told(0, [RECEIPT])] if receipt_first else []
        replies += [publisher.frame_answered(0, [DURABLE])]
        replies += [] if receipt_first else [publisher.told(0, [RECEIPT])]
        told = packets(b"".join(reply.data for reply in replies))
        receipt, answer = told if receipt_first else reversed(told)
        assert (receipt.topic, receipt.correlation_data) == (RECEIPTS, b"c")
        (outcome,) = json.loads(receipt.payload)["outcomes"]
        assert (outcome["level"], outcome["receipt"], outcome["holds"]) == ("durable", to_text(b"receipt"), [])
        assert (answer.packet_id, answer.reason_code) == (3, PubAckReasonCode.SUCCESS)
        assert publisher.told(0, [RECEIPT]) == Reply(b"", None), "nothing is said twice"
        assert publisher.answered(0, Why(Reason.TIMEOUT, "", "")) == Reply(b"", None)


def test_what_is_refused_after_its_puback_is_told_on_the_response_topic_alone() -> None:
    publisher = a_publisher()
    take(publisher, a_publish(packet_id=3, response_topic=RECEIPTS))
    publisher.frame_answered(0, [DURABLE])
    (told,) = packets(publisher.answered(0, Why(Reason.TIMEOUT, "", "late")).data)
    assert (told.topic, json.loads(told.payload)["reason"]) == (RECEIPTS, "timeout")


def test_a_refusal_as_a_whole_is_told_in_both_places() -> None:
    publisher = a_publisher()
    take(publisher, a_publish(packet_id=3, response_topic=RECEIPTS))
    reply = publisher.answered(0, Why(Reason.QUEUE_FULL, "", "later", 2.0))
    told, answer = packets(reply.data)
    assert json.loads(told.payload)["retry_after_s"] == 2.0
    assert answer.reason_code == PubAckReasonCode.QUOTA_EXCEEDED
    assert reply.refused is Reason.QUEUE_FULL


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        ({"wait": "propagated", "k": "3", "timeout_s": "2.5"}, Wait(Level.PROPAGATED, 3, 2.5)),
        ({"wait": "accepted"}, Wait(Level.ACCEPTED)),
        ({"other": "x"}, Wait()),
    ],
)
def test_a_publisher_says_what_it_waits_for_as_over_http(words: dict[str, str], wait: Wait) -> None:
    packet = a_publish(packet_id=3, response_topic=RECEIPTS, user_properties=list(words.items()))
    assert take(a_publisher(), packet) == SubmitFrame(0, b"\x94", False, wait)


@pytest.mark.parametrize(
    "words",
    [
        {"wait": "refused"},
        {"wait": "soon"},
        {"k": "0"},
        {"k": "-1"},
        {"k": "9" * 30},
        {"k": "\u0663"},
        {"timeout_s": "nan"},
        {"timeout_s": "-1"},
        {"timeout_s": "x"},
    ],
)
def test_a_wait_for_what_there_is_not_is_refused(words: dict[str, str]) -> None:
    packet = a_publish(packet_id=3, response_topic=RECEIPTS, user_properties=list(words.items()))
    reply = take(a_publisher(), packet)
    assert isinstance(reply, Reply) and reply.refused is Reason.BAD_REQUEST


def test_a_wait_without_a_place_to_tell_of_it_is_refused() -> None:
    reply = take(a_publisher(), a_publish(packet_id=3, user_properties=[("wait", "propagated")]))
    assert isinstance(reply, Reply) and reply.refused is Reason.BAD_REQUEST


def test_only_so_many_wait_for_receipts_and_one_that_was_told_makes_room() -> None:
    publisher = Publisher(Limits(waiting_receipts=2), wants_words=True, max_packet_bytes=10_000)
    for packet_id in (1, 2):
        assert isinstance(take(publisher, a_publish(packet_id=packet_id, response_topic=RECEIPTS)), SubmitFrame)
        publisher.frame_answered(packet_id - 1, [DURABLE])
    reply = take(publisher, a_publish(packet_id=3, response_topic=RECEIPTS))
    assert isinstance(reply, Reply) and reply.refused is Reason.RATE_LIMITED
    told, answer = packets(reply.data)
    assert json.loads(told.payload)["reason"] == "rate-limited"
    assert answer.reason_code == PubAckReasonCode.QUOTA_EXCEEDED
    publisher.told(0, [RECEIPT])
    assert isinstance(take(publisher, a_publish(packet_id=3, response_topic=RECEIPTS)), SubmitFrame)


def test_a_receipt_larger_than_the_client_takes_is_counted() -> None:
    publisher = a_publisher(max_packet_bytes=50)
    take(publisher, a_publish(packet_id=3, response_topic=RECEIPTS))
    assert publisher.told(0, [RECEIPT]) == Reply(b"", Reason.OVERSIZE)
    reply = publisher.frame_answered(0, [DURABLE])
    assert [type(packet) for packet in packets(reply.data)] == [PubAckPacket]


@pytest.mark.parametrize(
    ("packet", "principal", "word"),
    [
        (a_publish("pushmesh/inbox", packet_id=3), ALICE, "the topics to publish to"),
        (a_publish("a", packet_id=3), ALICE, "the topics to publish to"),
        (a_publish(packet_id=3), READER, "scope publish"),
        (a_publish(packet_id=3, response_topic="pushmesh/receipts/you"), ALICE, "response topic"),
        (a_publish(packet_id=3, response_topic="pushmesh/inbox"), ALICE, "response topic"),
        (a_publish("pushmesh/ack", b"[]", packet_id=3), ALICE, "cursor"),
        (a_publish("pushmesh/read", b"[]", packet_id=3), ALICE, "messages"),
        (a_publish("pushmesh/read", b"{}", packet_id=3), PUBLISHER, "scope read"),
    ],
)
def test_what_may_not_be_published_is_refused_in_words(packet: PublishPacket, principal: Principal, word: str) -> None:
    reply = take(a_publisher(), packet, principal)
    assert isinstance(reply, Reply)
    (answer,) = packets(reply.data)
    assert answer.packet_id == 3 and int(answer.reason_code) >= 0x80 and word in answer.reason_str
    assert reply.refused is not None


def test_a_puback_is_never_larger_than_the_client_takes() -> None:
    reply = take(a_publisher(), a_publish("a", packet_id=3))
    assert isinstance(reply, Reply)
    size = len(reply.data)
    assert take(a_publisher(max_packet_bytes=size), a_publish("a", packet_id=3)) == reply
    bare = take(a_publisher(max_packet_bytes=size - 1), a_publish("a", packet_id=3))
    assert isinstance(bare, Reply) and bare.refused == reply.refused
    (answer,) = packets(bare.data)
    assert answer == PubAckPacket(3, reason_code=PubAckReasonCode.NOT_AUTHORIZED)


def test_under_qos_0_a_refusal_goes_to_the_receipts_or_ends_the_connection() -> None:
    reply = take(a_publisher(), a_publish("a", response_topic=RECEIPTS))
    assert isinstance(reply, Reply)
    (receipt,) = packets(reply.data)
    assert json.loads(receipt.payload)["reason"] == "forbidden"
    broken = take(a_publisher(), a_publish("a"))
    assert isinstance(broken, Broken) and broken.code == Code.NOT_AUTHORIZED


def test_what_is_read_then_is_told_where_the_client_asked_and_puback_says_that_it_is_kept() -> None:
    publisher, payload = a_publisher(), b'{"cursor":"c","messages":["m"]}'
    packet = a_publish("pushmesh/read", payload, packet_id=3, response_topic=RECEIPTS, correlation_data=b"c")
    assert take(publisher, packet, READER) == SubmitRead(0, "c", ["m"])
    assert take(publisher, a_publish("pushmesh/read", payload, packet_id=4), READER) == SubmitRead(1, "c", ["m"])
    told, answer = packets(publisher.marked(0, b"{}").data)
    assert (told.topic, told.payload, told.correlation_data) == (RECEIPTS, b"{}", b"c")
    assert (answer.packet_id, answer.reason_code) == (3, PubAckReasonCode.SUCCESS)
    (answer,) = packets(publisher.marked(1, b"{}").data)
    assert (answer.packet_id, answer.reason_code) == (4, PubAckReasonCode.SUCCESS)
    assert publisher.marked(1, b"{}") == Reply(b"", None), "nothing is said twice"


def test_a_voucher_of_another_wallet_is_forged() -> None:
    voucher = Voucher(
        account=Account(b"\x00" + b"\xbb" * 20),
        node_id=b"\x01" * 32,
        epoch=1,
        stream=b"\x02" * 16,
        sequence=1,
        count=2,
        units=3,
        root=b"\x03" * 32,
        key=b"\x04" * 32,
        grant_id=b"\x05" * 32,
        signature=b"\x06" * 64,
    )
    payload = json.dumps({"voucher": to_text(pack(voucher))}).encode()
    reply = take(a_publisher(), a_publish("pushmesh/ack", payload, packet_id=3))
    assert isinstance(reply, Reply) and reply.refused is Reason.FORBIDDEN


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (PublishPacket("a", b"", qos=QoS.EXACTLY_ONCE, packet_id=1), Code.QOS_NOT_SUPPORTED),
        (PublishPacket("a", b"", retain=True), Code.RETAIN_NOT_SUPPORTED),
        (PublishPacket("a", b"", topic_alias=17), Code.TOPIC_ALIAS_INVALID),
        (PublishPacket("", b"", topic_alias=1), Code.PROTOCOL_ERROR),
    ],
)
def test_what_connack_forbids_breaks_the_connection(packet: PublishPacket, code: Code) -> None:
    broken = a_publisher().open(packet)
    assert isinstance(broken, Broken) and broken.code == code


def test_a_packet_id_in_use_breaks_the_connection() -> None:
    publisher = a_publisher()
    assert publisher.open(a_publish(packet_id=3)) == "pushmesh/publish"
    take(publisher, a_publish(packet_id=3))
    broken = publisher.open(a_publish(packet_id=3))
    assert isinstance(broken, Broken) and broken.code == Code.PROTOCOL_ERROR


def test_a_topic_that_was_named_once_may_be_its_alias() -> None:
    publisher = a_publisher()
    assert publisher.open(a_publish(packet_id=3, topic_alias=2)) == "pushmesh/publish"
    assert publisher.open(PublishPacket("", b"\x94", topic_alias=2)) == "pushmesh/publish"
