"""Bridges as operators write them, and the access list that follows."""

from typing import Any

import pytest

from pushmesh_node.delivery.bridge_settings import BridgeError, BridgeSettings, mosquitto_acl, read_bridge
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.types import Account

ALICE = Account(b"\x00" + b"\xaa" * 20)
TOPIC = Topic(ALICE, "alerts")


def a_table(**changes: Any) -> dict[str, Any]:
    table = {"name": "home", "url": "mqtt://broker.example.org", "accounts": [display_account(ALICE)]}
    return {key: value for key, value in (table | changes).items() if value is not None}


def test_a_bridge_is_read_with_its_defaults() -> None:
    settings = read_bridge(a_table(topics=[display_topic(TOPIC)]))
    assert settings == BridgeSettings(
        "home", "broker.example.org", 1883, False, None, None, "pushmesh", (ALICE,), (TOPIC,), 64
    )
    assert settings.inbox_topic(ALICE) == f"pushmesh/{display_account(ALICE)}/inbox"
    assert settings.broadcast_topic(TOPIC) == f"pushmesh/topics/{display_topic(TOPIC)}"


def test_an_address_may_carry_a_user_a_port_and_tls() -> None:
    settings = read_bridge(a_table(url="mqtts://bridge:p%40ss@10.0.0.7:9001/", topic_prefix="a/b"))
    assert (settings.host, settings.port, settings.is_tls) == ("10.0.0.7", 9001, True)
    assert (settings.username, settings.password) == ("bridge", "p@ss")
    assert "p@ss" not in repr(settings)
    assert read_bridge(a_table(url="mqtts://x")).port == 8883


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": None}, "name"),
        ({"name": "Home!"}, "name"),
        ({"url": None}, "url"),
        ({"url": "http://x"}, "url"),
        ({"url": "mqtt://"}, "url"),
        ({"url": "mqtt://x:99999"}, "url"),
        ({"url": "mqtt://x/path"}, "url"),
        ({"topic_prefix": "a/#"}, "topic_prefix"),
        ({"topic_prefix": ""}, "topic_prefix"),
        ({"topic_prefix": "$SYS"}, "topic_prefix"),
        ({"accounts": ["alice"]}, "accounts"),
        ({"accounts": "alice"}, "accounts"),
        ({"accounts": [display_account(ALICE)] * 2}, "accounts"),
        ({"topics": ["alerts"]}, "topics"),
        ({"accounts": None}, "accounts"),
        ({"in_flight": 0}, "in_flight"),
        ({"in_flight": True}, "in_flight"),
        ({"retain": True}, "retain"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_that_names_the_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BridgeError, match=f"bridge.{key}") as caught:
        read_bridge(a_table(**changes))
    assert "\n" not in str(caught.value)


def test_the_access_list_lets_the_bridge_write_and_a_reader_read_its_own() -> None:
    assert mosquitto_acl(read_bridge(a_table()), "bridge", {"alice": ALICE}) == (
        "user bridge\n"
        "topic write pushmesh/#\n"
        "\n"
        "user alice\n"
        f"topic read pushmesh/{display_account(ALICE)}/inbox\n"
        "topic read pushmesh/topics/#\n"
    )
