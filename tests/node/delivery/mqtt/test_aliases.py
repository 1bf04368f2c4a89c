"""Topic aliases: a number stands for a topic only once that was told, and only within its bounds."""

import pytest
from mqtt5 import DisconnectReasonCode as Code, PublishPacket

from pushmesh_node.delivery.mqtt.aliases import InboundAliases, Name, OutboundAliases
from pushmesh_node.delivery.mqtt.wire import Broken


def publish(topic: str, alias: int | None) -> PublishPacket:
    return PublishPacket(topic, b"", topic_alias=alias)


def test_an_alias_stands_for_the_topic_that_set_it_last() -> None:
    aliases = InboundAliases(2)
    told = [("a", 1), ("b", 2), ("", 1), ("", 2), ("c", 1), ("", 1), ("d", None), ("", 2)]
    assert [aliases.topic_of(publish(*each)) for each in told] == ["a", "b", "a", "b", "c", "c", "d", "b"]


@pytest.mark.parametrize(
    ("topic", "alias", "code"),
    [
        ("", 2, Code.PROTOCOL_ERROR),
        ("a", 3, Code.TOPIC_ALIAS_INVALID),
    ],
)
def test_a_number_that_stands_for_nothing_breaks_the_connection(topic: str, alias: int | None, code: Code) -> None:
    aliases = InboundAliases(2)
    aliases.topic_of(publish("a", 1))
    broken = aliases.topic_of(publish(topic, alias))
    assert isinstance(broken, Broken) and broken.code == code


def test_without_aliases_in_connack_there_are_none() -> None:
    broken = InboundAliases(0).topic_of(publish("a", 1))
    assert isinstance(broken, Broken) and broken.code == Code.TOPIC_ALIAS_INVALID


def test_an_alias_of_ours_holds_once_its_packet_left() -> None:
    aliases = OutboundAliases(2)
    assert [aliases.name("a"), aliases.name("a")] == [Name("a", 1), Name("a", 1)], "nothing left yet"
    aliases.sent(Name("a", 1))
    assert [aliases.name("a"), aliases.name("b")] == [Name("", 1), Name("b", 2)]
    aliases.sent(Name("", 1))
    aliases.sent(Name("b", 2))
    assert [aliases.name("b"), aliases.name("c")] == [Name("", 2), Name("c", None)]
    aliases.sent(Name("c"))
    assert aliases.name("c") == Name("c")


def test_a_client_that_takes_no_aliases_gets_none() -> None:
    aliases = OutboundAliases(0)
    aliases.sent(aliases.name("a"))
    assert aliases.name("a") == Name("a")
