"""Which filters are granted, and where a message goes under them."""

import pytest
from mqtt5 import QoS, SubAckReasonCode as Code, UnsubAckReasonCode

from pushmesh_node.delivery.mqtt.subscriptions import Form, NotGranted, Route, Subscriptions
from pushmesh_node.engine.answers import Permission, Principal
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.types import Account

OWNER = Account(b"\x00" + b"\xaa" * 20)
ALERTS, OTHER = Topic(OWNER, "alerts"), Topic(OWNER, "other")
OF_ALERTS = f"pushmesh/inbox/{display_topic(ALERTS)}"
ALICE = Principal(OWNER, frozenset(Permission), None, None, None)
PUBLISHER = Principal(OWNER, frozenset({Permission.PUBLISH}), None, None, None)
OF_ONE_TOPIC = Principal(OWNER, frozenset(Permission), frozenset({ALERTS}), None, None)
ONCE, SURE = QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE


def granted(pattern: str, principal: Principal = ALICE, qos: QoS = SURE) -> Code:
    answer = Subscriptions(8).subscribe(principal, pattern, qos, Form.JSON)
    return answer.code if isinstance(answer, NotGranted) else answer


@pytest.mark.parametrize("pattern", ["pushmesh/inbox", "pushmesh/inbox/#", OF_ALERTS])
def test_the_inbox_and_its_topics_are_granted_up_to_qos_1(pattern: str) -> None:
    assert granted(pattern) == Code.GRANTED_QOS_AT_LEAST_ONCE
    assert granted(pattern, qos=QoS.EXACTLY_ONCE) == Code.GRANTED_QOS_AT_LEAST_ONCE
    assert granted(pattern, qos=ONCE) == Code.GRANTED_QOS_AT_MOST_ONCE


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("#", Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("pushmesh/#", Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("pushmesh/inbox/+", Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("pushmesh/receipts/#", Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$share/group/pushmesh/inbox", Code.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("pushmesh/publish", Code.NOT_AUTHORIZED),
        ("pushmesh/inbox/", Code.NOT_AUTHORIZED),
        (f"pushmesh/inbox/{display_account(OWNER)}", Code.NOT_AUTHORIZED),
        (f"{OF_ALERTS}/more", Code.NOT_AUTHORIZED),
        ("", Code.NOT_AUTHORIZED),
        ("pushmesh/receipts/", Code.TOPIC_FILTER_INVALID),
        ("pushmesh/receipts/" + "x" * 300, Code.TOPIC_FILTER_INVALID),
    ],
)
def test_nothing_else_is(pattern: str, code: Code) -> None:
    assert granted(pattern) == code


@pytest.mark.parametrize("pattern", ["pushmesh/devices", "pushmesh/subscriptions"])
def test_news_of_the_wallet_are_granted_under_qos_0_to_whoever_reads(pattern: str) -> None:
    subscriptions = Subscriptions(8)
    assert subscriptions.subscribe(OF_ONE_TOPIC, pattern, SURE, Form.JSON) == Code.GRANTED_QOS_AT_MOST_ONCE
    assert (subscriptions.news, subscriptions.wants_inbox) == (frozenset({pattern}), False)
    subscriptions.unsubscribe(pattern)
    assert subscriptions.news == frozenset()
    assert granted(pattern, PUBLISHER) == Code.NOT_AUTHORIZED
    assert granted(f"{pattern}/#") == Code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED


def test_receipts_are_granted_under_qos_0_to_whoever_publishes() -> None:
    subscriptions = Subscriptions(8)
    answer = subscriptions.subscribe(PUBLISHER, "pushmesh/receipts/me", SURE, Form.JSON)
    assert answer == Code.GRANTED_QOS_AT_MOST_ONCE
    assert subscriptions.takes_receipts("pushmesh/receipts/me")
    assert not subscriptions.takes_receipts("pushmesh/receipts/you")
    assert not subscriptions.wants_inbox


def test_a_token_sees_what_it_names() -> None:
    assert granted("pushmesh/inbox", PUBLISHER) == Code.NOT_AUTHORIZED
    assert granted(OF_ALERTS, OF_ONE_TOPIC) == Code.GRANTED_QOS_AT_LEAST_ONCE
    assert granted(f"pushmesh/inbox/{display_topic(OTHER)}", OF_ONE_TOPIC) == Code.NOT_AUTHORIZED


def test_the_narrowest_filter_decides_where_a_message_goes() -> None:
    subscriptions = Subscriptions(8)
    assert subscriptions.route(ALERTS) is None
    subscriptions.subscribe(ALICE, "pushmesh/inbox", SURE, Form.JSON)
    assert subscriptions.route(ALERTS) == Route("pushmesh/inbox", True, Form.JSON)
    subscriptions.subscribe(ALICE, "pushmesh/inbox/#", ONCE, Form.JSON)
    assert subscriptions.route(ALERTS) == Route(OF_ALERTS, False, Form.JSON)
    subscriptions.subscribe(ALICE, OF_ALERTS, SURE, Form.FRAME)
    assert subscriptions.route(ALERTS) == Route(OF_ALERTS, True, Form.FRAME)
    assert subscriptions.route(OTHER) == Route(f"pushmesh/inbox/{display_topic(OTHER)}", False, Form.JSON)


def test_a_message_comes_under_the_clients_own_spelling_of_its_topic() -> None:
    subscriptions, shouted = Subscriptions(8), OF_ALERTS.replace("0xaa", "0xAA")
    subscriptions.subscribe(ALICE, OF_ALERTS, SURE, Form.JSON)
    subscriptions.subscribe(ALICE, shouted, SURE, Form.JSON)
    assert subscriptions.route(ALERTS) == Route(shouted, True, Form.JSON)
    assert subscriptions.unsubscribe(OF_ALERTS) == UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED


def test_the_selection_is_everything_or_the_topics() -> None:
    subscriptions = Subscriptions(8)
    assert subscriptions.selection == frozenset() and not subscriptions.wants_inbox
    subscriptions.subscribe(ALICE, OF_ALERTS, SURE, Form.JSON)
    assert subscriptions.selection == {ALERTS} and subscriptions.wants_inbox
    subscriptions.subscribe(ALICE, "pushmesh/inbox", SURE, Form.JSON)
    assert subscriptions.selection is None
    assert subscriptions.unsubscribe("pushmesh/inbox") == UnsubAckReasonCode.SUCCESS
    assert subscriptions.unsubscribe(OF_ALERTS) == UnsubAckReasonCode.SUCCESS
    assert subscriptions.selection == frozenset() and not subscriptions.wants_inbox


def test_filters_are_bounded_and_replacing_one_is_no_new_one() -> None:
    subscriptions = Subscriptions(2)
    for pattern in ("pushmesh/receipts/a", "pushmesh/receipts/b", "pushmesh/receipts/b"):
        assert subscriptions.subscribe(ALICE, pattern, SURE, Form.JSON) == Code.GRANTED_QOS_AT_MOST_ONCE
    refused = subscriptions.subscribe(ALICE, "pushmesh/inbox", SURE, Form.JSON)
    assert isinstance(refused, NotGranted) and refused.code == Code.QUOTA_EXCEEDED


def test_markers_go_to_the_filters_that_asked_for_them() -> None:
    subscriptions = Subscriptions(8)
    for pattern in ("pushmesh/inbox", "pushmesh/devices", OF_ALERTS):
        subscriptions.subscribe(ALICE, pattern, SURE, Form.JSON)
    assert subscriptions.marked == []
    for pattern in ("pushmesh/inbox/#", "pushmesh/devices", OF_ALERTS):
        subscriptions.subscribe(ALICE, pattern, SURE, Form.JSON, is_marked=True)
    assert subscriptions.marked == ["pushmesh/inbox", OF_ALERTS]
    subscriptions.unsubscribe("pushmesh/inbox/#")
    assert subscriptions.marked == [OF_ALERTS]
    subscriptions.subscribe(ALICE, OF_ALERTS, SURE, Form.JSON)
    assert subscriptions.marked == []
