"""The state machine of one client, as dialogues: an event in, all actions compared. And any bytes at all."""

from typing import Any

import mqtt5
import pytest
from hypothesis import given, settings, strategies as st
from mqtt5 import (
    AuthPacket,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

from pushmesh_node.delivery.contract import Batch
from pushmesh_node.delivery.mqtt.connection import Connection
from pushmesh_node.delivery.mqtt.events import (
    Acknowledge,
    Action,
    Authenticate,
    Authenticated,
    Close,
    Count,
    CountDelivered,
    Ended,
    FrameAnswered,
    Listen,
    Offered,
    Open,
    Opened,
    Received,
    Refused,
    RequestAnswered,
    Send,
    SubmitAcknowledgement,
    SubmitFrame,
    TakenOver,
    Ticked,
)
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_node.delivery.mqtt.runs import packet_id_of, puback_of
from pushmesh_node.delivery.mqtt.subscriptions import Form, Subscriptions
from pushmesh_node.delivery.mqtt.window import InFlight
from pushmesh_node.engine.answers import Level, Outcome, Permission, Principal
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs
from support.bodies import ISSUED_AT
from support.fake_inboxes import DAPP, a_message

NOW = ISSUED_AT + 1_000
ALICE = Account(b"\x00" + b"\xaa" * 20)
PRINCIPAL = Principal(ALICE, frozenset(Permission), None, None, None)
LIMITS = Limits(inbound_window=2, waiting_requests=3)
SURE: dict[str, Any] = {"qos": QoS.AT_LEAST_ONCE}
OUTCOME = Outcome(EnvelopeId(b"\x01" * 32), Level.DURABLE, Reason.OK, "", "", 4)


def a_connection(limits: Limits = LIMITS) -> Connection:
    about = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
    return Connection(about, limits, Renderer(about.incarnation), assigned_id="assigned", now_ms=NOW)


def connect(client_id: str = "phone", **changes: Any) -> ConnectPacket:
    values: dict[str, Any] = {"username": display_account(ALICE), "password": b"word", "clean_start": True}
    return ConnectPacket(client_id, **(values | changes))


def opened(limits: Limits = LIMITS, principal: Principal = PRINCIPAL, **changes: Any) -> Connection:
    connection = a_connection(limits)
    assert connection.handle(Received(connect(**changes).write()), NOW) == [Authenticate("word")]
    assert isinstance(connection.handle(Authenticated(principal), NOW)[0], Open)
    (answer,) = connection.handle(Opened(None, ()), NOW)
    assert isinstance(answer, Send)
    return connection


def subscribed(**changes: Any) -> Connection:
    connection = opened(**changes)
    send, listen = connection.handle(Received(SubscribePacket(1, [TopicFilter("pushmesh/inbox")]).write()), NOW)
    assert isinstance(send, Send) and listen == Listen(None)
    return connection


def said(actions: list[Action]) -> list[Packet]:
    """The packets among the actions."""
    data = b"".join(action.data for action in actions if isinstance(action, Send))
    packets = []
    while data:
        packet, size = mqtt5.read(memoryview(data))
        packets.append(packet)
        data = data[size:]
    return packets


def rest(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Send)]


def test_from_connect_to_connack() -> None:
    connection = a_connection()
    asked = connection.handle(Received(connect(keep_alive=9_000, session_expiry_interval=10**9).write()), NOW)
    assert asked == [Authenticate("word")]
    assert connection.is_full, "nothing is read while it is not known who this is"
    assert connection.handle(Authenticated(PRINCIPAL), NOW) == [Open(PRINCIPAL, "phone", "now", True)]
    (answer,) = said(connection.handle(Opened(None, ()), NOW))
    assert isinstance(answer, ConnAckPacket)
    assert (answer.session_present, answer.server_keep_alive, answer.session_expiry_interval) == (False, 300, 604_800)
    assert (answer.receive_max, answer.max_qos, answer.retain_available) == (2, QoS.AT_LEAST_ONCE, False)
    assert not connection.is_full


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({"clean_start": True}, Open(PRINCIPAL, "phone", "now", True)),
        ({"clean_start": False}, Open(PRINCIPAL, "phone", None, False)),
        ({"user_properties": [("cursor", "0")]}, Open(PRINCIPAL, "phone", "0", True)),
        ({"client_id": ""}, Open(PRINCIPAL, "assigned", "now", True)),
    ],
)
def test_where_a_client_starts(changes: dict[str, Any], order: Open) -> None:
    connection = a_connection()
    connection.handle(Received(connect(**changes).write()), NOW)
    assert connection.handle(Authenticated(PRINCIPAL), NOW) == [order]


def test_a_client_without_id_is_told_its_own_and_not_remembered() -> None:
    connection = a_connection()
    connection.handle(Received(connect("").write()), NOW)
    connection.handle(Authenticated(PRINCIPAL), NOW)
    (answer,) = said(connection.handle(Opened(None, ()), NOW))
    assert isinstance(answer, ConnAckPacket) and answer.assigned_client_id == "assigned"
    assert not connection.remembers
    assert opened().remembers


def test_what_comes_before_connack_is_done_after_it_in_order() -> None:
    connection = a_connection()
    data = b"".join(each.write() for each in (connect(), PingReqPacket(), UnsubscribePacket(3, ["pushmesh/inbox"])))
    assert connection.handle(Received(data), NOW) == [Authenticate("word")]
    connection.handle(Authenticated(PRINCIPAL), NOW)
    kinds = [type(packet) for packet in said(connection.handle(Opened(None, ()), NOW))]
    assert kinds == [ConnAckPacket, PingRespPacket, UnsubAckPacket]


def test_a_resumed_session_listens_without_a_subscribe() -> None:
    kept = Subscriptions(8)
    kept.subscribe(PRINCIPAL, f"pushmesh/inbox/{display_topic(Topic(DAPP, 'alerts'))}", QoS.AT_LEAST_ONCE, Form.JSON)
    connection = a_connection()
    connection.handle(Received(connect(clean_start=False, session_expiry_interval=60).write()), NOW)
    connection.handle(Authenticated(PRINCIPAL), NOW)
    actions = connection.handle(Opened(kept, ()), NOW)
    assert rest(actions) == [Listen(frozenset({Topic(DAPP, "alerts")}))]
    (answer,) = said(actions)
    assert isinstance(answer, ConnAckPacket) and answer.session_present
    assert connection.kept == (kept, InFlight((), 1), 60)


def test_a_refused_credential_closes_with_its_reason() -> None:
    connection = a_connection()
    connection.handle(Received(connect().write()), NOW)
    actions = connection.handle(Refused(Reason.BAD_TOKEN, "11.3", "signature"), NOW)
    assert rest(actions) == [Close(Reason.BAD_TOKEN)]
    assert connection.handle(Received(PingReqPacket().write()), NOW) == [], "after Close nothing is done"


def test_messages_go_out_in_one_write_and_come_back_as_one_acknowledgement() -> None:
    connection = subscribed(receive_max=3)
    assert connection.room == 3
    messages = [a_message(number) for number in (4, 7, 9)]
    actions = connection.handle(Offered(messages), NOW)
    assert [type(action) for action in actions] == [Send, CountDelivered]
    assert rest(actions) == [CountDelivered(messages)]
    assert connection.room == 0
    acks = b"".join(PubAckPacket(number).write() for number in (3, 1, 2))
    assert connection.handle(Received(acks), NOW) == [Acknowledge(9)]
    assert connection.room == 3


def test_under_qos_0_sent_is_acknowledged() -> None:
    connection = opened()
    once = TopicFilter("pushmesh/inbox", max_qos=QoS.AT_MOST_ONCE)
    connection.handle(Received(SubscribePacket(1, [once]).write()), NOW)
    actions = connection.handle(Offered([a_message(4), a_message(7)]), NOW)
    assert Acknowledge(7) in actions
    assert [packet.packet_id for packet in said(actions) if isinstance(packet, PublishPacket)] == [None, None]


def test_a_second_subscribe_changes_the_selection_and_unsubscribing_empties_it() -> None:
    connection = subscribed()
    actions = connection.handle(Received(UnsubscribePacket(2, ["pushmesh/inbox", "b"]).write()), NOW)
    assert rest(actions) == [Listen(frozenset())]
    assert connection.handle(Offered([a_message(4)]), NOW) == [], "what was on its way is not sent any more"


def test_an_unknown_form_is_refused() -> None:
    asked = SubscribePacket(1, [TopicFilter("pushmesh/inbox")], user_properties=[("format", "xml")])
    actions = opened().handle(Received(asked.write()), NOW)
    (answer,) = said(actions)
    assert isinstance(answer, SubAckPacket)
    assert answer.reason_codes == [SubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR]
    assert rest(actions) == [Count("subscribe", Reason.BAD_REQUEST, refuses_access=True)]
    assert answer.reason_str == "pushmesh/inbox: the format is json or frame"


def test_publishes_are_answered_in_order_once_they_are_durable() -> None:
    connection = opened()
    first, second = (PublishPacket("pushmesh/publish", b"\x94", packet_id=number, **SURE) for number in (5, 6))
    actions = connection.handle(Received(first.write() + second.write()), NOW)
    assert actions == [SubmitFrame(0, b"\x94", False), SubmitFrame(1, b"\x94", False)]
    assert said(connection.handle(FrameAnswered(1, [OUTCOME]), NOW)) == []
    assert [packet.packet_id for packet in said(connection.handle(FrameAnswered(0, [OUTCOME]), NOW))] == [5, 6]  # type: ignore[union-attr]


def test_more_unanswered_publishes_than_granted_end_the_connection() -> None:
    connection = opened()
    data = b"".join(PublishPacket("pushmesh/publish", b"", packet_id=number, **SURE).write() for number in (1, 2, 3))
    actions = connection.handle(Received(data), NOW)
    (words,) = said(actions)
    assert isinstance(words, DisconnectPacket) and words.reason_code == DisconnectReasonCode.RECEIVE_MAX_EXCEEDED
    assert actions[-1] == Close(Reason.RATE_LIMITED)


def test_publishes_under_qos_0_stop_the_reading_instead() -> None:
    connection = opened()
    data = b"".join(PublishPacket("pushmesh/publish", b"").write() for _ in range(3))
    assert len(connection.handle(Received(data), NOW)) == 3
    assert connection.is_full
    connection.handle(FrameAnswered(0, [OUTCOME]), NOW)
    assert not connection.is_full


def test_an_explicit_acknowledgement_is_passed_on_and_answered() -> None:
    connection = opened()
    packet = PublishPacket("pushmesh/ack", b'{"cursor":"x.1"}', packet_id=5, **SURE)
    assert connection.handle(Received(packet.write()), NOW) == [SubmitAcknowledgement(0, "x.1", None)]
    actions = connection.handle(RequestAnswered(0, Reason.BAD_CURSOR, "", "another store"), NOW)
    (answer,) = said(actions)
    assert isinstance(answer, PubAckPacket) and answer.reason_str == "another store"
    assert rest(actions) == [Count("publish", Reason.BAD_CURSOR)]


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        (Ended(Reason.DRAINING, "bye"), DisconnectReasonCode.SERVER_SHUTTING_DOWN, Reason.DRAINING),
        (Ended(Reason.GRANT_REVOKED, ""), DisconnectReasonCode.NOT_AUTHORIZED, Reason.GRANT_REVOKED),
        (Ended(Reason.SLOW_CONSUMER, ""), DisconnectReasonCode.QUOTA_EXCEEDED, Reason.SLOW_CONSUMER),
        (TakenOver(), DisconnectReasonCode.SESSION_TAKEN_OVER, Reason.OK),
    ],
)
def test_how_the_node_ends_a_connection(event: Ended | TakenOver, code: DisconnectReasonCode, reason: Reason) -> None:
    actions = opened().handle(event, NOW)
    (words,) = said(actions)
    assert isinstance(words, DisconnectPacket) and words.reason_code == code
    assert rest(actions) == [Close(reason)]


def test_what_has_ended_takes_nothing_more_on_the_short_way_either() -> None:
    connection = subscribed()
    batch = Batch([a_message(4)])
    assert connection.write_run(batch, NOW) is not None
    assert (connection.room, connection.is_full) == (255, False)
    connection.handle(TakenOver(), NOW)
    assert connection.room == 0
    assert connection.write_run(Batch([a_message(5)]), NOW) is None
    assert not connection.takes_all(batch, NOW)
    assert connection.take_pubacks(puback_of(packet_id_of(4)), NOW) is None
    assert connection.handle(Ticked(), NOW) == []


def test_time_ends_a_silent_connection_and_not_an_earlier_one() -> None:
    connection = opened(keep_alive=10)
    assert connection.deadline_ms == NOW + 15_000
    assert connection.handle(Received(PingReqPacket().write()), NOW + 14_000) != []
    assert connection.handle(Ticked(), NOW + 15_000) == []
    assert rest(connection.handle(Ticked(), NOW + 29_000)) == [Close(Reason.TIMEOUT)]


def test_time_ends_a_handshake_without_a_word() -> None:
    for greeting in (b"", connect().write(), ConnectPacket("", authentication_method="pushmesh-login").write()):
        connection = a_connection()
        connection.handle(Received(greeting), NOW)
        assert connection.handle(Ticked(), connection.deadline_ms) == [Close(Reason.TIMEOUT)]


def test_time_ends_a_credential() -> None:
    principal = Principal(ALICE, frozenset(Permission), None, None, UnixMs(NOW + 500))
    connection = opened(principal=principal)
    assert rest(connection.handle(Ticked(), NOW + 500)) == [Close(Reason.EXPIRED)]


def test_a_client_may_shorten_its_session_but_not_prolong_one_that_was_to_end() -> None:
    connection = opened(session_expiry_interval=60)
    connection.handle(Received(DisconnectPacket(session_expiry_interval=0).write()), NOW)
    assert connection.kept is None
    connection = opened()
    (words,) = said(connection.handle(Received(DisconnectPacket(session_expiry_interval=60).write()), NOW))
    assert isinstance(words, DisconnectPacket) and words.reason_code == DisconnectReasonCode.PROTOCOL_ERROR
    assert connection.kept is None


@pytest.mark.parametrize("number", range(256))
def test_each_first_byte_is_survived(number: int) -> None:
    for connection in (a_connection(), opened()):
        for body in (b"\x00", b"\x02\x00\x01", b"\x04\x00\x01\x00\x00"):
            assert isinstance(connection.handle(Received(bytes([number]) + body), NOW), list)


SEEDS: list[Packet] = [
    connect(),
    ConnectPacket("x", authentication_method="pushmesh-login"),
    AuthPacket(authentication_method="pushmesh-login", authentication_data=b"word"),
    PublishPacket(
        "pushmesh/publish", b'{"a":1}', packet_id=1, qos=QoS.AT_LEAST_ONCE, response_topic="pushmesh/receipts/a"
    ),
    PublishPacket("pushmesh/ack", b'{"cursor":"x"}'),
    SubscribePacket(2, [TopicFilter("pushmesh/inbox"), TopicFilter("pushmesh/receipts/a")]),
    UnsubscribePacket(3, ["pushmesh/inbox"]),
    PubAckPacket(1),
    PingReqPacket(),
    DisconnectPacket(session_expiry_interval=5),
]
WRITTEN = st.sampled_from([packet.write() for packet in SEEDS])


def damaged(data: bytes, place: int, value: int) -> bytes:
    at = place % len(data)
    return data[:at] + bytes([value]) + data[at + 1 :]


PIECES = st.one_of(
    st.binary(max_size=40), WRITTEN, st.builds(damaged, WRITTEN, st.integers(0, 10**6), st.integers(0, 255))
)


@settings(max_examples=400)
@given(pieces=st.lists(PIECES, max_size=12), is_open=st.booleans())
def test_whatever_bytes_come_there_are_actions_or_an_end_and_never_an_exception(
    pieces: list[bytes], is_open: bool
) -> None:
    connection = subscribed() if is_open else a_connection()
    waiting: list[Action] = []
    for number, piece in enumerate(pieces):
        actions = connection.handle(Received(piece), NOW + number)
        assert all(not isinstance(action, Close) for action in actions[:-1])
        waiting += actions
        while waiting:
            match waiting.pop():
                case Authenticate():
                    waiting += connection.handle(Authenticated(PRINCIPAL), NOW)
                case Open():
                    waiting += connection.handle(Opened(None, ()), NOW)
                case SubmitFrame(request, _, _):
                    waiting += connection.handle(FrameAnswered(request, [OUTCOME]), NOW)
                case SubmitAcknowledgement(request, _, _):
                    waiting += connection.handle(RequestAnswered(request, Reason.OK, "", ""), NOW)
                case Listen():
                    room = min(connection.room, 1)
                    waiting += connection.handle(Offered([a_message(1)][:room]), NOW)
                case Close():
                    assert connection.handle(Received(b"\xc0\x00"), NOW) == []


def test_a_client_that_is_not_read_from_is_not_held_to_its_keep_alive() -> None:
    connection = opened(keep_alive=10)
    publishes = [PublishPacket("pushmesh/publish", b"frame") for _ in range(LIMITS.waiting_requests)]
    connection.handle(Received(b"".join([each.write() for each in publishes])), NOW)
    assert connection.is_full
    assert connection.handle(Ticked(), NOW + 15_000) == []
    connection.handle(FrameAnswered(0, [OUTCOME]), NOW + 16_000)
    assert not connection.is_full
    assert rest(connection.handle(Ticked(), NOW + 30_000)) == [Close(Reason.TIMEOUT)]


def test_a_small_client_is_told_of_the_end_in_a_small_packet() -> None:
    connection = opened(max_packet_size=128)
    (words,) = said(connection.handle(Ended(Reason.GRANT_REVOKED, "x" * 200), NOW))
    assert isinstance(words, DisconnectPacket) and words.reason_str is None
    assert words.reason_code == DisconnectReasonCode.NOT_AUTHORIZED
