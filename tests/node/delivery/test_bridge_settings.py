"""Where a bridge publishes, and where it is published to."""

import ssl
from typing import Any

from pushmesh_node.delivery.bridge_settings import BridgeSettings
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.types import Account

ALICE = Account(b"\x00" + b"\xaa" * 20)
TOPIC = Topic(ALICE, "alerts")


def some_settings(**changes: Any) -> BridgeSettings:
    values: dict[str, Any] = {
        "name": "home",
        "host": "broker.example.org",
        "port": 1883,
        "tls": None,
        "username": "bridge",
        "password": "p@ss",
        "topic_prefix": "pushmesh",
        "accounts": (ALICE,),
        "topics": (TOPIC,),
        "max_in_flight": 64,
        "reconnect_max_s": 30.0,
    }
    return BridgeSettings(**(values | changes))


def test_inboxes_and_broadcasts_have_their_own_topics_under_the_prefix() -> None:
    settings = some_settings(topic_prefix="a/b")
    assert settings.inbox_topic(ALICE) == f"a/b/{display_account(ALICE)}/inbox"
    assert settings.broadcast_topic(TOPIC) == f"a/b/topics/{display_topic(TOPIC)}"


def test_a_password_is_never_shown() -> None:
    assert "p@ss" not in repr(some_settings(tls=ssl.create_default_context()))


def test_dapps_publish_and_are_answered_under_the_prefix() -> None:
    settings = some_settings(topic_prefix="a/b", takes_publishes=True)
    assert settings.publish_topic("dapp") == "a/b/publish/dapp"
    assert settings.receipts_prefix("dapp") == "a/b/receipts/dapp/"
    assert not some_settings().takes_publishes
