"""Wallets that others wrote, at a real node: the npm package mqtt, Mosquitto's clients, the WebSocket of Node.js, curl.

Each receives real notifications, stored ones and live ones, acknowledges them, and goes on after them the next time."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client import SlotBook, Subscriber
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import display_account, display_topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.receipts import check_receipt, decode_receipt
from support.processes import eventually, frame_of
from support.strangers import (
    SENDER,
    WALLET,
    Program,
    Requires,
    a_place,
    begun,
    finished,
    mqtt_js,
    programs_of,
    read_until,
    take,
)
from support.wallets import a_signed_note, a_wallet
from support.whole_mesh import now_ms

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
WRITER = a_wallet(3)
ELSEWHERE = "other.example.org:1883"


@pytest.fixture
def programs(requires: Requires, node: Path) -> dict[str, Program]:
    return programs_of(requires, node)


NAMES = [
    "npm-mqtt-tcp",
    "npm-mqtt-tls",
    "npm-mqtt-websocket",
    "mosquitto-tcp",
    "mosquitto-tls",
    "node-websocket",
    "curl-sse",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_client_gets_what_waited_and_what_comes_once_in_order_and_goes_on_after_it(
    programs: dict[str, Program], requires: Requires, tmp_path: Path, name: str
) -> None:
    program = programs[name]
    async with a_place(tmp_path, requires("openssl")) as place:
        await place.publish(30)
        assert await take(place, program, "phone", before=30, during=5) == place.sent

        async def all_acknowledged() -> bool:
            return await place.unread("phone") == []

        await eventually(all_acknowledged, "the place of the device behind the last message")
        assert len(await place.unread("laptop")) == 35, "each device has a place of its own"
        await place.publish(2)
        assert await take(place, program, "phone", before=2, during=1) == place.sent[-3:]
        await eventually(all_acknowledged, "the place of the device behind the last message")


def news_among(out: str) -> list[dict[str, Any]]:
    """What was told beside messages."""
    words = [json.loads(line) for line in out.splitlines()]
    assert all(word["qos"] == 0 for word in words if word["type"] == "news")
    return [word["word"] for word in words if word["type"] == "news"]


async def test_what_one_device_acknowledges_another_one_hears_of(
    node: Path, programs: dict[str, Program], requires: Requires, tmp_path: Path
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        await place.publish(3)
        async with begun(mqtt_js(node, place, "ws", "laptop", filter="pushmesh/devices", count=1)) as laptop:
            out = await read_until(laptop, lambda out: '"subscribed"' in out)
            assert await take(place, programs["mosquitto-tls"], "phone", before=3, during=0) == place.sent
            (heard,) = news_among(out + await finished(laptop))
        assert (heard["type"], heard["device"]) == ("acked", "phone")
        assert set(heard) == {"type", "device", "cursor"}


async def test_a_wallet_follows_its_own_subscriptions(node: Path, requires: Requires, tmp_path: Path) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        async with begun(mqtt_js(node, place, "mqtt", "laptop", filter="pushmesh/subscriptions", count=2)) as laptop:
            out = await read_until(laptop, lambda out: '"news"' in out)
            news = SENDER.topic("news")
            assert (await place.reader.subscribe(news)).ok
            whole, change = news_among(out + await finished(laptop))
        alerts = display_topic(place.dapp.topic("alerts"))
        assert [each["fields"]["topic"] for each in whole["subscriptions"]] == [alerts]
        assert (change["type"], change["topic"]) == ("subscription", display_topic(news))
        assert change["subscription"]["fields"]["topic"] == display_topic(news)


async def test_a_client_that_is_killed_is_given_the_rest_as_repeated_when_it_resumes(
    node: Path, requires: Requires, tmp_path: Path
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        await place.publish(5)
        async with begun(mqtt_js(node, place, "mqtt", "phone", count=5, mute=True)) as client:
            first = await read_until(client, lambda out: out.count('"message"') >= 5)
        assert await place.unread("phone") == place.sent, "it was killed before it acknowledged anything"
        async with begun(mqtt_js(node, place, "ws", "phone", count=5)) as client:
            words = [json.loads(line) for line in (await finished(client)).splitlines()]
        (connect,) = [word for word in words if word["type"] == "connect"]
        again = [word for word in words if word["type"] == "message"]
        before = [json.loads(line) for line in first.splitlines() if '"message"' in line]
        assert connect["present"]
        assert [(word["id"], word["repeated"]) for word in again] == [(word["id"], True) for word in before]
        assert [word["packet"] for word in again] == [word["packet"] for word in before]


def outcome_of(out: str) -> dict[str, Any]:
    (outcome,) = json.loads(out)["outcomes"]
    return dict(outcome)


def signed_frame(name: str) -> tuple[bytes, bytes]:
    """A frame of a wallet that is nobody here, and the id of its envelope."""
    note = a_signed_note(NETWORK, WRITER, title=name, issued_at=now_ms())
    return frame_of(note), note.id


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
async def test_npm_mqtt_publishes_and_gets_a_receipt_that_anybody_can_check(
    node: Path, requires: Requires, tmp_path: Path, scheme: str
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        frame, id_ = signed_frame(scheme)
        wait = {"wait": "propagated", "timeout_s": "0.2"}
        publish = base64.b64encode(frame).decode()
        async with begun(mqtt_js(node, place, scheme, "dapp", publish=publish, wait=wait)) as client:
            words = [json.loads(line) for line in (await finished(client)).splitlines()]
        (receipt,) = [word for word in words if word["type"] == "receipt"]
        (outcome,) = receipt["outcomes"]
        assert receipt["correlation"] == "seven"
        assert (outcome["id"], outcome["reason"]) == (id_.hex(), "ok")
        assert outcome["level"] == "durable", "no other node is there, so the wait ends with what was reached"
        given = decode_receipt(from_text(outcome["receipt"]))
        check_receipt(NETWORK, given)
        assert given.id == id_


async def test_mosquitto_rr_asks_for_a_publish_and_gets_its_receipt(requires: Requires, tmp_path: Path) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        frame, id_ = signed_frame("rr")
        in_text = json.dumps({"frame": to_text(frame)})  # of this program, -f sends nothing
        command = [
            str(requires("mosquitto_rr")), "-V", "5", "-h", "127.0.0.1", "-p", str(place.ports["mqtts"]), "-q", "1",
            "--cafile", str(place.certificate), "-u", display_account(WALLET.account), "-P", place.token,
            "-t", "pushmesh/publish", "-e", "pushmesh/receipts/rr", "-m", in_text,
        ]  # fmt: skip
        async with begun(command) as client:
            outcome = outcome_of(await finished(client))
        assert (outcome["id"], outcome["level"], outcome["reason"]) == (id_.hex(), "durable", "ok")
        check_receipt(NETWORK, decode_receipt(from_text(outcome["receipt"])))


@pytest.mark.parametrize("secure", [False, True])
async def test_mosquitto_pub_publishes_what_another_client_then_receives(
    programs: dict[str, Program], requires: Requires, tmp_path: Path, secure: bool
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        owner = Subscriber(place.node.client, WALLET, SlotBook())
        assert (await owner.subscribe(WRITER.topic("alerts"))).ok
        frame, _ = signed_frame("from mosquitto_pub")
        (tmp_path / "frame").write_bytes(frame)
        more = ["--cafile", str(place.certificate)] if secure else []
        command = [
            str(requires("mosquitto_pub")), "-V", "5", "-h", "127.0.0.1", "-q", "1", *more,
            "-p", str(place.ports["mqtts" if secure else "mqtt"]), "-u", display_account(WALLET.account),
            "-P", place.token, "-t", "pushmesh/publish", "-f", str(tmp_path / "frame"),
        ]  # fmt: skip
        async with begun(command) as client:
            assert await finished(client) == ""
        assert await take(place, programs["npm-mqtt-websocket"], "phone", before=1, during=0) == ["from mosquitto_pub"]


async def test_npm_mqtt_names_topics_by_aliases_and_is_sent_elsewhere_by_a_node_that_stops(
    node: Path, requires: Requires, tmp_path: Path
) -> None:
    async with a_place(tmp_path, requires("openssl"), mqtt__redirect_to=[ELSEWHERE]) as place:
        await place.publish(3)
        async with begun(mqtt_js(node, place, "ws", "phone")) as client:
            out = await read_until(client, lambda out: out.count('"message"') >= 3)
            await place.node.stop()
            words = [json.loads(line) for line in (out + (await finished(client))).splitlines()]
        messages = [word for word in words if word["type"] == "message"]
        assert [word["topic"] for word in messages] == [
            f"pushmesh/inbox/{display_topic(place.dapp.topic('alerts'))}"
        ] * 3
        assert [word["aliased"] for word in messages] == [True] * 3
        (words_of_parting,) = [word for word in words if word["type"] == "disconnect"]
        assert words_of_parting == {"type": "disconnect", "code": 0x9C, "server": ELSEWHERE, "reason": "draining"}


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws"])
async def test_npm_mqtt_with_a_wrong_password_is_refused_on_every_door(
    node: Path, requires: Requires, tmp_path: Path, scheme: str
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        place.token = place.token[:-8] + "AAAAAAAA"
        async with begun(mqtt_js(node, place, scheme, "phone", count=1)) as client:
            (word,) = [json.loads(line) for line in (await finished(client)).splitlines()]
        assert (word["type"], word["code"]) == ("error", 0x86)
        assert await place.node.metric("pushmesh_mqtt_events_total", what="end", reason="bad-token") == 1
