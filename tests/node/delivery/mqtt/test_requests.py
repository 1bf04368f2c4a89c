"""Requests of a client: how acknowledgements are read, and that answers leave in order."""

import mqtt5
import msgspec
import pytest
from hypothesis import given, strategies as st
from mqtt5 import PubAckPacket, PubAckReasonCode, PublishPacket, QoS

from pushmesh_node.delivery.mqtt.requests import (
    Requests,
    Why,
    acknowledgement,
    is_json,
    read_acknowledgement,
    read_marks,
    receipt_json,
    refusal_json,
    summary,
)
from pushmesh_node.engine.answers import Acknowledged, Level, Outcome
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId
from pushmesh_protocol.vouchers import Voucher

ACCOUNT = Account(b"\x00" + b"\xaa" * 20)
VOUCHER = Voucher(
    account=ACCOUNT, node_id=b"\x01" * 32, epoch=1, stream=b"\x02" * 16, sequence=1, count=2, units=3,
    root=b"\x03" * 32, key=b"\x04" * 32, grant_id=b"\x05" * 32, signature=b"\x06" * 64,
)  # fmt: skip


def an_ack(payload: bytes, content_type: str | None = None) -> PublishPacket:
    return PublishPacket("pushmesh/ack", payload, content_type=content_type)


def a_request(packet_id: int | None, size: int = 1) -> PublishPacket:
    qos = QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE
    return PublishPacket("pushmesh/publish", b"x" * size, qos=qos, packet_id=packet_id)


def test_an_acknowledgement_is_json_or_messagepack() -> None:
    in_json = msgspec.json.encode({"cursor": "c", "voucher": to_text(pack(VOUCHER))})
    assert read_acknowledgement(an_ack(in_json)) == ("c", VOUCHER)
    in_messagepack = msgspec.msgpack.encode({"voucher": pack(VOUCHER)})
    assert read_acknowledgement(an_ack(in_messagepack)) == (None, VOUCHER)
    assert read_acknowledgement(an_ack(b' {"cursor":"c"}', "application/json")) == ("c", None)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"{}", b"[]", b'{"cursor":1}', b'{"cursor":null}', b'{"cursor":"c","more":1}', b'{"voucher":"!"}',
     b'{"voucher":7}', b"\x80", b"\xc1", b"\x81\xa6cursor\xc4\x01c", b"\x81\xa7voucher\xc4\x01\x90", b"[" * 5000],
)  # fmt: skip
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(Refusal):
        read_acknowledgement(an_ack(payload))


@given(payload=st.binary(max_size=80))
def test_any_bytes_are_an_acknowledgement_or_a_refusal(payload: bytes) -> None:
    try:
        cursor, voucher = read_acknowledgement(an_ack(payload))
    except Refusal:
        return
    assert cursor is not None or voucher is not None


def test_what_was_read_is_json_or_messagepack() -> None:
    assert read_marks(an_ack(b'{"cursor":"c","messages":["m"]}')) == ("c", ["m"])
    assert read_marks(an_ack(msgspec.msgpack.encode({"messages": ["m"]}))) == (None, ["m"])
    assert read_marks(an_ack(b"{}")) == (None, [])


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b'{"cursor":1}', b'{"messages":"m"}', b'{"messages":[1]}', b'{"messages":null}',
     b'{"cursor":"c","more":1}', b'{"cursor":"c","device":"other"}', b"\x81\xa6cursor\xc4\x01c", b"\xc1", b"[" * 5000],
)  # fmt: skip
def test_whatever_else_was_read_is_refused(payload: bytes) -> None:
    with pytest.raises(Refusal):
        read_marks(an_ack(payload))


@given(payload=st.binary(max_size=80))
def test_any_bytes_are_what_was_read_or_a_refusal(payload: bytes) -> None:
    try:
        cursor, messages = read_marks(an_ack(payload))
    except Refusal:
        return
    assert isinstance(cursor, str | None) and all(isinstance(message, str) for message in messages)


def test_json_is_told_by_its_type_or_its_brace() -> None:
    assert is_json(an_ack(b"{}")) and not is_json(an_ack(b"\x94"))
    assert is_json(an_ack(b"[]", "application/json")) and not is_json(an_ack(b"{}", "application/msgpack"))


def test_answers_leave_in_the_order_of_their_requests() -> None:
    requests = Requests()
    first, quiet, third = (requests.add(a_request(packet_id, 10)) for packet_id in (7, None, 9))
    assert (requests.count, requests.acknowledgeable, requests.size_bytes) == (3, 2, 30)
    assert requests.holds(9) and not requests.holds(8)
    assert requests.answer(third, PubAckPacket(9)) == b""
    assert requests.answer(quiet, None) == b""
    assert requests.answer(first, PubAckPacket(7)) == PubAckPacket(7).write() + PubAckPacket(9).write()
    assert (requests.count, requests.acknowledgeable, requests.size_bytes) == (0, 0, 0)


def test_a_refusal_is_told_in_words_only_to_those_who_want_them() -> None:
    request = Requests().add(a_request(7))
    plain = acknowledgement(request, Why(Reason.EXPIRED, "7.2", "late"), with_words=False)
    assert plain is not None and plain.reason_str is None and plain.user_properties == []
    told = acknowledgement(request, Why(Reason.EXPIRED, "7.2", "late"), with_words=True)
    assert told is not None and (told.reason_str, dict(told.user_properties)["rule"]) == ("late", "7.2")
    assert told.reason_code == PubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
    assert acknowledgement(Requests().add(a_request(None)), Why(Reason.EXPIRED, "", ""), with_words=True) is None
    good = acknowledgement(request, Why(Reason.OK, "", ""), with_words=True)
    assert good is not None and good.write() == mqtt5.PubAckPacket(7).write()


def test_many_outcomes_are_one_answer_the_first_that_is_not_durable() -> None:
    durable = Outcome(EnvelopeId(b"\x01" * 32), Level.DURABLE, Reason.OK, "", "", 4)
    again = Outcome(EnvelopeId(b"\x01" * 32), Level.DURABLE, Reason.DUPLICATE, "", "", 4)
    refused = Outcome(None, Level.REFUSED, Reason.EXPIRED, "7.2", "late", None)
    assert summary([durable, again]) == Why(Reason.OK, "", "")
    assert summary([durable, refused]) == Why(Reason.EXPIRED, "7.2", "late")
    given = [Acknowledged(durable, b"r", (b"h",)), Acknowledged(refused, None, ())]
    shown = msgspec.json.decode(receipt_json(given))["outcomes"]
    assert [(each["receipt"], each["holds"]) for each in shown] == [(to_text(b"r"), [to_text(b"h")]), (None, [])]
    assert [(each["id"], each["level"], each["commit_no"]) for each in shown] == [
        ("01" * 32, "durable", 4),
        (None, "refused", None),
    ]
    assert msgspec.json.decode(refusal_json(Why(Reason.EXPIRED, "7.2", "late")))["reason"] == "expired"
