"""docs/asyncapi.json says what the code does: every channel, user property and member of a payload, and no other."""

import json
from collections.abc import Iterator
from typing import Any

import mqtt5
import pytest
from mqtt5 import ConnectPacket, PublishPacket, SubAckPacket, SubscribePacket, TopicFilter

from pushmesh_node.delivery.bridge_settings import BridgeSettings
from pushmesh_node.delivery.following import Change, told
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.delivery.mqtt import subscriptions as topics
from pushmesh_node.delivery.mqtt.handshake import METHOD, Hello, challenge, goodbye, no, read_connect, welcome
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.rendering import FRAME_TYPE, JSON_TYPE, Renderer, gap_notice
from pushmesh_node.delivery.mqtt.requests import (
    WAIT_WORDS,
    Requests,
    Why,
    acknowledgement,
    read_marks,
    receipt_json,
    refusal_json,
)
from pushmesh_node.delivery.mqtt.subscribing import subscribe
from pushmesh_node.delivery.mqtt.subscriptions import Form, Route, Subscriptions
from pushmesh_node.delivery.mqtt.websocket import PATH
from pushmesh_node.delivery.wallet_forms import mark_read
from pushmesh_node.delivery.wallet_state import MOST_MARKS
from pushmesh_node.engine.answers import Acknowledged, Level, Outcome
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.levels import LEVELS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher
from support.fake_inboxes import DAPP, a_message, a_notification, a_principal
from support.fake_node import a_fake_node
from support.fake_wallets import FakeFollowing
from support.tree import ROOT

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
CHANNELS, MESSAGES = DOCUMENT["channels"], DOCUMENT["components"]["messages"]
PROPERTIES = DOCUMENT["x-user-properties"]
ABOUT = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
INBOX = Route(topics.INBOX, True, Form.JSON)
VOUCHER = Voucher(
    account=DAPP, node_id=b"\x01" * 32, epoch=1, stream=b"\x02" * 16, sequence=1, count=2, units=3,
    root=b"\x03" * 32, key=b"\x04" * 32, grant_id=b"\x05" * 32, signature=b"\x06" * 64,
)  # fmt: skip


def read(data: bytes) -> Any:
    packet, size = mqtt5.read(memoryview(data))
    assert size == len(data)
    return packet


def names(packet: Any) -> list[str]:
    """The user properties of a packet."""
    return sorted({name for name, _ in packet.user_properties})


def resolved(value: Any) -> Any:
    """What a reference points to."""
    while isinstance(value, dict) and "$ref" in value:
        value = follow(value["$ref"])
    return value


def follow(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is of a schema, in the words of the document; no object has a member that it leaves out."""
    schema = resolved(schema)
    if "oneOf" in schema:
        return any(fits(value, each) for each in schema["oneOf"])
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    kinds: dict[str, Any] = {
        "string": str,
        "object": dict,
        "array": list,
        "integer": int,
        "number": int | float,
        "boolean": bool,
    }
    kinds["null"] = type(None)
    allowed = schema.get("type", [])
    if allowed and not any(
        isinstance(value, kinds[each]) for each in ([allowed] if isinstance(allowed, str) else allowed)
    ):
        return False
    if isinstance(value, list):
        return all(fits(each, schema["items"]) for each in value)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return set(schema.get("required", ())) <= value.keys() <= known.keys() and all(
            fits(each, known[name]) for name, each in value.items()
        )
    return True


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere_and_every_part_is_used() -> None:
    found = set(references(DOCUMENT))
    for reference in found:
        follow(reference)
    for kind, parts in DOCUMENT["components"].items():
        assert {f"#/components/{kind}/{name}" for name in parts} <= found, kind
    assert {f"#/channels/{name}" for name in CHANNELS} == {
        each["channel"]["$ref"] for each in DOCUMENT["operations"].values()
    }


def test_the_channels_are_the_topics_of_the_code() -> None:
    owned = {each["address"] for each in CHANNELS.values() if "#/servers/tcp" in str(each["servers"])}
    assert owned == {
        topics.INBOX,
        f"{topics.INBOX}/{{owner}}/{{name}}",
        topics.PUBLISH,
        topics.ACK,
        topics.READ,
        f"{topics.RECEIPTS}{{name}}",
        topics.DEVICES,
        topics.SUBSCRIPTIONS,
    }
    assert DOCUMENT["servers"]["websocket"]["pathname"] == PATH
    constants = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
    assert constants == {*owned, topics.INBOX_TREE, topics.RECEIPTS} - {
        f"{topics.INBOX}/{{owner}}/{{name}}",
        f"{topics.RECEIPTS}{{name}}",
    }, "a topic of the code that the document does not name"


@pytest.mark.parametrize("name", [key for key in CHANNELS if not key.startswith("bridged")])
def test_a_channel_that_the_node_sends_to_can_be_subscribed_to_and_no_other(name: str) -> None:
    address = CHANNELS[name]["address"].replace("{owner}", display_account(DAPP)).replace("{name}", "alerts")
    answer = Subscriptions(8).subscribe(a_principal(), address, mqtt5.QoS.AT_LEAST_ONCE, Form.JSON)
    (operation,) = [each for each in DOCUMENT["operations"].values() if each["channel"]["$ref"].endswith(f"/{name}")]
    if operation["action"] == "send":
        assert isinstance(answer, mqtt5.SubAckReasonCode)
        assert int(answer) == operation["bindings"]["mqtt"]["qos"]
    else:
        assert not isinstance(answer, mqtt5.SubAckReasonCode)


def test_a_message_has_the_documented_properties_and_members() -> None:
    renderer, message = Renderer(ABOUT.incarnation), a_message(7)
    for name, form in (("message", Form.JSON), ("frame", Form.FRAME)):
        packet = read(renderer.packet(message, Route(topics.INBOX, True, form), 1, 60))
        assert names(packet) == MESSAGES[name]["headers"]["required"] == sorted(MESSAGES[name]["headers"]["properties"])
        assert packet.content_type == MESSAGES[name]["contentType"]
        assert packet.payload_format_indicator == MESSAGES[name]["bindings"]["mqtt"]["payloadFormatIndicator"]
    assert {MESSAGES["message"]["contentType"], MESSAGES["frame"]["contentType"]} == {JSON_TYPE, FRAME_TYPE}
    as_json = read(renderer.packet(message, INBOX, 1, 60)).payload
    assert fits(json.loads(as_json), MESSAGES["message"]["payload"])


def test_notices_have_the_documented_properties() -> None:
    for name, data in (
        ("notice", Renderer(ABOUT.incarnation).notice(a_message(7), INBOX, 1, Reason.OVERSIZE)),
        ("gap", gap_notice(topics.INBOX, "another store")),
        ("live", Renderer(ABOUT.incarnation).live(topics.INBOX, 7)),
    ):
        packet, schema = read(data), MESSAGES[name]["headers"]
        assert (names(packet), packet.payload) == (schema["required"], b"")
        assert fits(dict(packet.user_properties), schema)


def test_what_is_told_of_publishes_has_the_documented_members() -> None:
    schema = MESSAGES["receipts"]["payload"]
    durable = Outcome(a_notification(1).id, Level.DURABLE, Reason.OK, "", "", 4)
    refused = Outcome(None, Level.REFUSED, Reason.RATE_LIMITED, "", "later", None, 2.0)
    given = [Acknowledged(durable, b"r", (b"h",)), Acknowledged(refused, None, ())]
    assert fits(json.loads(receipt_json(given)), schema)
    assert fits(json.loads(refusal_json(Why(Reason.QUEUE_FULL, "", "later", 1.0))), schema)
    outcome = DOCUMENT["components"]["schemas"]["outcome"]
    assert set(outcome["properties"]) == {key for each in given for key in each.as_json()}
    assert outcome["properties"]["level"]["enum"] == [str(level) for level in LEVELS]
    assert tuple(MESSAGES["publish"]["headers"]["properties"]) == WAIT_WORDS
    assert MESSAGES["publish"]["headers"]["properties"]["wait"]["enum"] == [
        str(each) for each in LEVELS if each != Level.REFUSED
    ]


async def test_what_is_told_of_subscriptions_has_the_documented_members() -> None:
    following = FakeFollowing()
    following.queue.put_nowait([Change(Topic(DAPP, "alerts"), a_notification(1))])
    following.queue.put_nowait([Change(Topic(DAPP, "alerts"), None)])
    words = told(following)
    assert fits(await anext(words), MESSAGES["subscriptions"]["payload"])
    assert fits(await anext(words), MESSAGES["subscription"]["payload"])
    await words.aclose()


def test_the_answers_carry_the_documented_user_properties() -> None:
    asked = ConnectPacket("phone", username=display_account(DAPP), password=b"word")
    hello = read_connect(asked, Limits(), "assigned")
    assert isinstance(hello, Hello)
    answer = welcome(hello, asked, ABOUT, Limits(), resumed=False, vouchers=[VOUCHER])
    refusal = Why(Reason.RATE_LIMITED, "6.1", "later", 1.0)
    publish = PublishPacket("a", b"", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1)
    puback = acknowledgement(Requests().add(publish), refusal, with_words=True)
    assert puback is not None
    filters = SubscribePacket(1, [TopicFilter("#")])
    suback = subscribe(Subscriptions(1), a_principal(), filters, wants_words=True, max_packet_bytes=9_999)
    assert isinstance(read(suback.data), SubAckPacket)
    assert {
        "CONNACK": names(read(answer)),
        "CONNACK-refused": names(no(Reason.BAD_TOKEN, "").packet(ABOUT)),
        "SUBACK-refused": names(read(suback.data)),
        "PUBACK-refused": names(puback),
        "DISCONNECT": names(read(goodbye(mqtt5.DisconnectReasonCode.NOT_AUTHORIZED, Reason.FORBIDDEN, "", ABOUT))),
    } == {packet: words for packet, words in PROPERTIES.items() if packet not in ("CONNECT", "SUBSCRIBE")}


def test_the_documented_wishes_of_a_client_are_honoured() -> None:
    (wish,) = PROPERTIES["CONNECT"]
    packet = ConnectPacket("x", username=display_account(DAPP), password=b"w", user_properties=[(wish, "now")])
    hello = read_connect(packet, Limits(), "assigned")
    assert isinstance(hello, Hello) and hello.cursor == "now"
    form, markers = PROPERTIES["SUBSCRIBE"]
    subscriptions = Subscriptions(1)
    asked = SubscribePacket(1, [TopicFilter(topics.INBOX)], user_properties=[(form, "frame"), (markers, "1")])
    subscribe(subscriptions, a_principal(), asked, wants_words=True, max_packet_bytes=9_999)
    route = subscriptions.route(None)
    assert route is not None and route.form is Form.FRAME
    assert subscriptions.marked == [topics.INBOX]


async def test_what_was_read_is_taken_and_answered_as_documented() -> None:
    node = a_fake_node()
    node.inboxes.commit(a_notification(1))
    place = f"{ABOUT.incarnation.hex()}.1"
    schema = MESSAGES["reading"]["payload"]
    assert schema["additionalProperties"] is False
    for said in ({}, {"cursor": place}, {"cursor": place, "messages": [place]}):
        assert fits(said, schema)
        cursor, messages = read_marks(PublishPacket(topics.READ, json.dumps(said).encode()))
        form = await mark_read(node.wallets, ABOUT.incarnation, a_principal(), "phone", cursor, messages)
        assert fits(form, MESSAGES["marked"]["payload"])
    assert schema["properties"]["messages"]["maxItems"] == MOST_MARKS


def test_the_challenge_has_the_documented_members() -> None:
    told = DOCUMENT["components"]["securitySchemes"]["login"]["description"]
    assert METHOD in told and "{" + ", ".join(json.loads(challenge(ABOUT, 5))) + "}" in told


def test_a_bridge_publishes_where_and_what_the_document_says() -> None:
    settings = BridgeSettings("home", "h", 1, None, None, None, "{prefix}", (), (), 1, 1.0)
    inbox = settings.inbox_topic(DAPP).replace(display_account(DAPP), "{account}")
    broadcast = settings.broadcast_topic(Topic(DAPP, "alerts"))
    broadcast = broadcast.replace(display_account(DAPP), "{owner}").replace("alerts", "{name}")
    assert (inbox, broadcast) == (CHANNELS["bridgedInbox"]["address"], CHANNELS["bridgedTopic"]["address"])
    message = json.loads(MessageForms(ABOUT.incarnation).message(a_message(7)))
    assert fits(message, MESSAGES["bridged"]["payload"])
