"""SUBACK and UNSUBACK say why, within what the client takes."""

from typing import cast

import mqtt5
from mqtt5 import (
    SubAckPacket,
    SubAckReasonCode as Code,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

from pushmesh_node.delivery.mqtt.subscribing import Answered, subscribe, unsubscribe
from pushmesh_node.delivery.mqtt.subscriptions import Subscriptions
from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, a_principal

MINE, OTHERS = Topic(DAPP, "alerts"), Topic(DAPP, "news")
OF_OTHERS = f"pushmesh/inbox/{display_topic(OTHERS)}"


def asked(*patterns: str, words: bool = True, most: int = 10_000, form: str = "json") -> Answered:
    packet = SubscribePacket(7, [TopicFilter(pattern) for pattern in patterns], user_properties=[("format", form)])
    principal = a_principal(topics=frozenset({MINE}))
    return subscribe(Subscriptions(2), principal, packet, wants_words=words, max_packet_bytes=most)


def suback(answer: Answered) -> SubAckPacket:
    return cast(SubAckPacket, mqtt5.read(memoryview(answer.data))[0])


def test_each_refused_filter_is_named_with_its_reason_and_the_others_are_granted() -> None:
    answer = asked("pushmesh/inbox", "#", OF_OTHERS, "pushmesh/receipts/a", "pushmesh/receipts/b")
    packet = suback(answer)
    assert packet.reason_codes == [
        Code.GRANTED_QOS_AT_LEAST_ONCE,
        Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        Code.NOT_AUTHORIZED,
        Code.GRANTED_QOS_AT_MOST_ONCE,
        Code.QUOTA_EXCEEDED,
    ]
    assert packet.reason_str == (
        "#: the only wildcard is pushmesh/inbox/#; "
        f"{OF_OTHERS[:64]}: the token does not cover this topic; "
        "pushmesh/receipts/b: a session has at most 2 filters"
    )
    assert packet.user_properties == [("reason", "forbidden"), ("reason", "forbidden"), ("reason", "bad-request")]
    assert answer.refused == [Reason.FORBIDDEN, Reason.FORBIDDEN, Reason.BAD_REQUEST]


def test_where_all_is_granted_nothing_is_said() -> None:
    packet = suback(asked("pushmesh/inbox", "pushmesh/inbox/#"))
    assert (packet.reason_str, packet.user_properties) == (None, [])


def test_a_client_that_wants_no_words_or_has_no_room_for_them_gets_codes_alone() -> None:
    for packet in (suback(asked("#", words=False)), suback(asked("#", most=20))):
        assert packet.reason_codes == [Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED]
        assert (packet.reason_str, packet.user_properties) == (None, [])


def test_a_flood_of_filters_is_not_repeated_whole() -> None:
    answer = asked(*[f"{number}" + "x" * 60_000 for number in range(20)])
    packet = suback(answer)
    assert len(packet.reason_codes) == len(answer.refused) == 20
    assert len(packet.user_properties) == 8 and len(answer.data) < 2_000


def test_an_unknown_format_grants_nothing() -> None:
    packet = suback(asked("pushmesh/inbox", form="xml"))
    assert packet.reason_codes == [Code.IMPLEMENTATION_SPECIFIC_ERROR]
    assert packet.reason_str == "pushmesh/inbox: the format is json or frame"


def test_unsubscribing_from_what_never_was_says_so() -> None:
    subscriptions, packet = Subscriptions(2), UnsubscribePacket(7, ["a", "pushmesh/inbox"])
    subscribe(
        subscriptions,
        a_principal(),
        SubscribePacket(1, [TopicFilter("pushmesh/inbox")]),
        wants_words=True,
        max_packet_bytes=9_999,
    )
    answer, _ = mqtt5.read(memoryview(unsubscribe(subscriptions, packet, wants_words=True, max_packet_bytes=9_999)))
    assert isinstance(answer, UnsubAckPacket) and answer.reason_str == "a: this was not subscribed to"
    for words, most in ((False, 9_999), (True, 12)):
        answer, _ = mqtt5.read(memoryview(unsubscribe(subscriptions, packet, wants_words=words, max_packet_bytes=most)))
        assert isinstance(answer, UnsubAckPacket) and answer.reason_str is None


def marked(markers: str, *patterns: str) -> Answered:
    filters = [TopicFilter(pattern) for pattern in patterns]
    packet = SubscribePacket(7, filters, user_properties=[("markers", markers)])
    return subscribe(Subscriptions(8), a_principal(), packet, wants_words=True, max_packet_bytes=10_000)


def test_markers_are_promised_where_a_filter_of_the_inbox_was_granted() -> None:
    assert marked("1", "#", "pushmesh/inbox").wants_live
    assert not marked("1", "pushmesh/devices").wants_live
    assert not marked("1", "#").wants_live
    assert not marked("0", "pushmesh/inbox").wants_live
    assert not asked("pushmesh/inbox").wants_live


def test_an_unknown_wish_for_markers_grants_nothing() -> None:
    packet = suback(marked("yes", "pushmesh/inbox"))
    assert packet.reason_codes == [Code.IMPLEMENTATION_SPECIFIC_ERROR]
    assert packet.reason_str == "pushmesh/inbox: markers is 0 or 1"


def test_a_subscribe_that_asked_for_nothing_more_brings_no_marker_to_those_that_did() -> None:
    subscriptions = Subscriptions(8)
    for markers, pattern, wants_live in (("1", "pushmesh/inbox", True), ("0", OF_OTHERS, False), ("1", "#", False)):
        packet = SubscribePacket(7, [TopicFilter(pattern)], user_properties=[("markers", markers)])
        answer = subscribe(subscriptions, a_principal(), packet, wants_words=True, max_packet_bytes=10_000)
        assert (answer.wants_live, subscriptions.marked) == (wants_live, ["pushmesh/inbox"])
