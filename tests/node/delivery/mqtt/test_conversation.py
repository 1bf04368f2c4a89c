"""The open connection by itself: what a client says and is told between CONNACK and the end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mqtt5
import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    PubRelPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt.conversation import Conversation, Farewell, Said
from pushmesh_node.delivery.mqtt.events import (
    Authenticate,
    CaughtUp,
    Close,
    Count,
    CountDelivered,
    Follow,
    Listen,
    MarkedRead,
    NewsCame,
    Offered,
    Opened,
    Renewed,
    SubmitRead,
    Timed,
)
from pushmesh_node.delivery.mqtt.handshake import Hello, read_connect
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_node.delivery.mqtt.subscriptions import Subscriptions
from pushmesh_node.delivery.mqtt.wire import Broken
from pushmesh_node.engine.answers import Principal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs
from support.bodies import ISSUED_AT
from support.fake_inboxes import WALLET, a_message, a_principal
from support.mqtt_world import MALLORY

NOW = ISSUED_AT + 1_000
METHOD = "pushmesh-login"
NEW = Opened(None, ())
INBOX = SubscribePacket(1, [TopicFilter("pushmesh/inbox")])


def a_conversation(opened: Opened = NEW, principal: Principal | None = None, **changes: Any) -> Conversation:
    values: dict[str, Any] = {"authentication_method": METHOD, "authentication_data": b"word"}
    hello = read_connect(ConnectPacket("phone", **(values | changes)), Limits(), "assigned")
    assert isinstance(hello, Hello)
    about = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
    return Conversation(about, Limits(), Renderer(about.incarnation), hello, principal or a_principal(), opened, NOW)


def packets(said: Sequence[Said]) -> list[Any]:
    return [mqtt5.read(memoryview(each))[0] for each in said if isinstance(each, bytes)]


def others(said: Sequence[Said]) -> list[Said]:
    return [each for each in said if not isinstance(each, bytes)]


def test_a_new_session_begins_silently_and_a_resumed_one_where_it_was() -> None:
    assert a_conversation().begin() == ()
    kept = Subscriptions(8)
    filters = [TopicFilter("pushmesh/inbox"), TopicFilter("pushmesh/devices")]
    a_conversation(Opened(kept, ())).take(SubscribePacket(1, filters), NOW)
    said = a_conversation(Opened(kept, ())).begin()
    assert said == [Follow(frozenset({"pushmesh/devices"})), Listen(None)]


def test_messages_are_told_of_once_they_are_confirmed() -> None:
    conversation = a_conversation()
    conversation.take(INBOX, NOW)
    messages = [a_message(number) for number in (3, 4)]
    said = conversation.handle(Offered(messages), NOW)
    ids = [packet.packet_id for packet in packets(said)]
    assert others(said) == [CountDelivered(messages)]
    assert conversation.reached() is None
    assert conversation.take(PubAckPacket(ids[1]), NOW) == ()
    assert conversation.reached() is None, "the first one is still on its way"
    conversation.take(PubAckPacket(ids[0]), NOW)
    assert (conversation.reached(), conversation.reached()) == (4, None)
    assert conversation.take(PubAckPacket(99), NOW) == [Count("puback", Reason.NOT_FOUND)]


def test_news_go_to_whom_they_were_promised_and_fit() -> None:
    conversation = a_conversation(max_packet_size=60)
    word = NewsCame("pushmesh/devices", b"{}")
    assert conversation.handle(word, NOW) == ()
    conversation.take(SubscribePacket(1, [TopicFilter("pushmesh/devices")]), NOW)
    (packet,) = packets(conversation.handle(word, NOW))
    assert isinstance(packet, PublishPacket) and packet.payload == b"{}"
    assert conversation.handle(NewsCame("pushmesh/devices", b"x" * 60), NOW) == ()


def test_that_all_was_sent_is_told_to_who_asked_and_has_room_for_it() -> None:
    marked = SubscribePacket(1, [TopicFilter("pushmesh/inbox")], user_properties=[("markers", "1")])
    conversation = a_conversation()
    assert others(conversation.take(INBOX, NOW)) == [Listen(None)]
    assert conversation.handle(CaughtUp(7), NOW) == []
    assert others(conversation.take(marked, NOW)) == [Listen(None, tells_live=True)]
    (marker,) = packets(conversation.handle(CaughtUp(7), NOW))
    assert (marker.topic, dict(marker.user_properties)["kind"], marker.payload) == ("pushmesh/inbox", "live", b"")
    small = a_conversation(max_packet_size=40)
    small.take(marked, NOW)
    assert small.handle(CaughtUp(7), NOW) == []


def test_what_was_read_is_passed_on_and_answered_once() -> None:
    conversation = a_conversation()
    publish = PublishPacket("pushmesh/read", b"{}", qos=QoS.AT_LEAST_ONCE, packet_id=3)
    assert conversation.take(publish, NOW) == [SubmitRead(0, None, [])]
    (answer,) = packets(conversation.handle(MarkedRead(0, b"{}"), NOW))
    assert isinstance(answer, PubAckPacket) and answer.packet_id == 3
    assert conversation.handle(MarkedRead(0, b"{}"), NOW) == []


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (PubRelPacket(7), DisconnectReasonCode.PROTOCOL_ERROR),
        (
            SubscribePacket(1, [TopicFilter("pushmesh/inbox")], subscription_id=3),
            DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED,
        ),
        (DisconnectPacket(session_expiry_interval=60), DisconnectReasonCode.PROTOCOL_ERROR),
        (AuthPacket(reason_code=AuthReasonCode.SUCCESS), DisconnectReasonCode.PROTOCOL_ERROR),
    ],
)
def test_what_a_client_must_not_say_breaks_the_protocol(packet: Any, code: DisconnectReasonCode) -> None:
    (said,) = a_conversation().take(packet, NOW)
    assert isinstance(said, Broken) and said.code == code


def test_a_client_that_leaves_may_shorten_what_is_kept() -> None:
    conversation = a_conversation(session_expiry_interval=600)
    kept = conversation.kept
    assert kept is not None and kept[2] == 600
    assert conversation.take(DisconnectPacket(session_expiry_interval=60), NOW) == [Close(Reason.OK)]
    kept = conversation.kept
    assert kept is not None and kept[2] == 60
    assert conversation.take(DisconnectPacket(session_expiry_interval=0), NOW) == [Close(Reason.OK)]
    assert conversation.kept is None


def test_a_ping_is_answered_and_silence_expiry_and_an_unfinished_log_in_have_their_times() -> None:
    conversation = a_conversation(keep_alive=10)
    (answer,) = packets(conversation.take(PingReqPacket(), NOW))
    assert isinstance(answer, PingRespPacket)
    assert conversation.deadline_ms == NOW + 15_000
    conversation.heard_ms = NOW + 1
    assert conversation.deadline_ms == NOW + 15_001
    assert reason_of(conversation) is Reason.TIMEOUT
    again = AuthPacket(reason_code=AuthReasonCode.RE_AUTHENTICATE, authentication_method=METHOD)
    challenge, timed = conversation.take(again, NOW)
    assert isinstance(challenge, bytes) and timed == Timed()
    assert conversation.deadline_ms == NOW + 10_000
    (farewell,) = conversation.tick()
    assert farewell == Farewell(DisconnectReasonCode.NOT_AUTHORIZED, Reason.TIMEOUT, "no log-in came in time")
    expiring = a_conversation(principal=replace(a_principal(), expires_at=UnixMs(NOW + 3)))
    assert expiring.deadline_ms == NOW + 3
    assert reason_of(expiring) is Reason.EXPIRED


def reason_of(conversation: Conversation) -> Reason:
    (farewell,) = conversation.tick()
    assert isinstance(farewell, Farewell)
    return farewell.reason


def test_a_log_in_on_the_way_renews_and_another_wallets_ends_it() -> None:
    data = AuthPacket(
        reason_code=AuthReasonCode.RE_AUTHENTICATE, authentication_method=METHOD, authentication_data=b"new"
    )
    conversation = a_conversation()
    assert conversation.take(data, NOW) == [Timed(), Authenticate("new")]
    after = replace(a_principal(WALLET), expires_at=UnixMs(NOW + 9))
    said = conversation.renewed(after)
    assert others(said) == [Renewed(after), Timed()]
    assert conversation.deadline_ms == NOW + 9
    conversation.take(data, NOW)
    (farewell,) = conversation.renewed(a_principal(MALLORY))
    assert isinstance(farewell, Farewell) and farewell.reason is Reason.FORBIDDEN
