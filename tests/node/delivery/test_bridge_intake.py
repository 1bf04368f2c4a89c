"""What dapps publish through a real Mosquitto: it reaches the node once it is told, and nobody stops the others."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mqtt5
import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    Packet,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery import bridge_intake as room
from pushmesh_node.delivery.bridge_intake import AT_A_TIME
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.reasons import Reason
from support.bridges import FRAME_BYTES, FakeWayIn, Kept, a_bridge, bridging
from support.fake_inboxes import FakeInboxes, a_message
from support.mosquitto import Broker, running_broker
from support.scripted_broker import scripted_broker
from support.until import until

pytestmark = pytest.mark.integration

PUBLISH = "pushmesh/publish/dapp"
ANSWERS = "pushmesh/receipts/dapp"
FRAME = b"\x94 some frame"


class RawDapp:
    """A client that writes packets as a test makes them, through a codec that refuses less than most."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._data = b""
        self._packet_id = 1

    async def publish(
        self, payload: bytes, qos: QoS = QoS.AT_LEAST_ONCE, topic: str = PUBLISH, **more: Any
    ) -> PubAckReasonCode | None:
        """QoS 1 is confirmed by the broker on return: how."""
        self._packet_id += 1
        packet_id = self._packet_id if qos is QoS.AT_LEAST_ONCE else None
        self.write(PublishPacket(topic, payload, qos=qos, packet_id=packet_id, **more))
        if packet_id is None:
            return None
        answer = await self.read(PubAckPacket)
        assert isinstance(answer, PubAckPacket) and answer.packet_id == packet_id
        return answer.reason_code

    async def answer(self) -> tuple[PublishPacket, dict[str, Any]]:
        packet = await self.read(PublishPacket)
        assert isinstance(packet, PublishPacket)
        if packet.packet_id is not None:
            self.write(PubAckPacket(packet.packet_id))
        return packet, json.loads(bytes(packet.payload))

    def write(self, packet: Packet) -> None:
        self._writer.write(packet.write())

    async def read(self, kind: type[Any]) -> Packet:
        """The next packet of a kind; others are passed over."""
        async with asyncio.timeout(20):
            while True:
                while self._data:
                    try:
                        packet, size = mqtt5.read(memoryview(self._data))
                    except IndexError:
                        break
                    self._data = self._data[size:]
                    if isinstance(packet, kind):
                        found: Packet = packet
                        return found
                data = await self._reader.read(65_536)
                assert data, "the broker hung up"
                self._data += data


@asynccontextmanager
async def a_dapp(broker: Broker) -> AsyncIterator[RawDapp]:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    dapp = RawDapp(reader, writer)
    try:
        dapp.write(ConnectPacket("dapp", clean_start=True))
        await dapp.read(ConnAckPacket)
        dapp.write(SubscribePacket(1, [TopicFilter(f"{ANSWERS}/#", max_qos=QoS.AT_LEAST_ONCE)]))
        await dapp.read(mqtt5.SubAckPacket)
        yield dapp
    finally:
        writer.close()


async def heard(dapp: RawDapp, kept: Kept) -> None:
    """Return when the bridge has subscribed: until then the broker keeps nothing for it."""
    async with asyncio.timeout(20):
        while await dapp.publish(b"{") is PubAckReasonCode.NO_MATCHING_SUBSCRIBERS:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.005)
    await until(lambda: kept.seen == [("intake", "malformed")])
    kept.seen.clear()


@asynccontextmanager
async def a_world(
    requires: Callable[[str], Path], folder: Path, way_in: FakeWayIn, kept: Kept, *lines: str
) -> AsyncIterator[tuple[Broker, RawDapp]]:
    """A broker with a bridge that reads what dapps publish, and a dapp."""
    async with running_broker(requires("mosquitto"), folder, *lines) as broker, a_dapp(broker) as dapp:
        bridge = a_bridge(broker.port, FakeInboxes(), kept, way_in=way_in, takes_publishes=True, reconnect_max_s=0.1)
        async with bridging(bridge):
            await heard(dapp, kept)
            yield broker, dapp


async def test_a_publish_reaches_the_node_and_is_answered_with_its_receipt_where_the_dapp_asked(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, response_topic=f"{ANSWERS}/7", correlation_data=b"\x00seven")
        packet, told = await dapp.answer()
    assert way_in.frames == [FRAME] and kept.seen == []
    assert (packet.topic, packet.correlation_data) == (f"{ANSWERS}/7", b"\x00seven")
    assert packet.content_type == "application/json"
    (outcome,) = told["outcomes"]
    assert (outcome["level"], outcome["detail"], outcome["receipt"]) == ("durable", f"{len(FRAME)} bytes", "cmVjZWlwdA")


async def test_json_becomes_the_same_frame_and_what_is_none_is_refused(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    frame = a_message(1).frame
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        for payload, content_type, reason in (
            (b"{", None, "malformed"),
            (b"[1]", "application/json", "malformed"),
            (b"x" * (FRAME_BYTES + 1), None, "oversize"),
        ):
            await dapp.publish(payload, content_type=content_type, response_topic=f"{ANSWERS}/1")
            assert (await dapp.answer())[1]["reason"] == reason
        shown = json.dumps({"frame": to_text(frame)}).encode()
        for content_type in (None, "application/json"):
            await dapp.publish(shown, content_type=content_type, response_topic=f"{ANSWERS}/1")
            await dapp.answer()
    assert way_in.frames == [frame, frame]
    assert kept.seen == [("intake", "malformed"), ("intake", "malformed"), ("intake", "oversize")]


@pytest.mark.parametrize(
    "topic",
    [
        "pushmesh/publish/dapp",
        "pushmesh/eip155:1:0x00/inbox",
        "elsewhere",
        "pushmesh/receipts/",
        "pushmesh/receipts/dapp",
        "pushmesh/receipts/dapp/",
        "pushmesh/receipts/another/1",
        "pushmesh/receipts/dapper/1",
        f"{ANSWERS}/" + "a/" * 300 + "a",
        f"{ANSWERS}/" + "x" * 2_000,
    ],
)
async def test_an_answer_goes_nowhere_but_under_the_receipts_of_who_published(
    requires: Callable[[str], Path], tmp_path: Path, topic: str
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, response_topic=topic)
        await until(lambda: bool(kept.seen))
        await dapp.publish(b"well", response_topic=f"{ANSWERS}/1")
        await dapp.answer()
    assert kept.seen == [("intake", "forbidden")] and way_in.frames == [b"well"]


async def test_nobody_publishes_in_the_name_of_no_user_and_is_answered(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, topic="pushmesh/publish/", response_topic="pushmesh/receipts//1")
        await until(lambda: bool(kept.seen))
        await dapp.publish(FRAME, topic="pushmesh/publish", response_topic=f"{ANSWERS}/1")
        await dapp.publish(b"well", response_topic=f"{ANSWERS}/1")
        await dapp.answer()
    assert kept.seen == [("intake", "forbidden")] and way_in.frames == [b"well"]


async def test_what_the_node_could_not_take_yet_is_taken_later_and_a_qos_0_is_told(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    way_in.denials = [Denied(Reason.RATE_LIMITED, "later", retry_after_s=0.01)]
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, response_topic=f"{ANSWERS}/1")
        assert (await dapp.answer())[1]["outcomes"][0]["level"] == "durable"
        way_in.denials = [Denied(Reason.RATE_LIMITED, "later", retry_after_s=0.25)]
        await dapp.publish(FRAME, QoS.AT_MOST_ONCE, response_topic=f"{ANSWERS}/1")
        told = (await dapp.answer())[1]
    assert (told["reason"], told["retry_after_s"]) == ("rate-limited", 0.25)
    assert way_in.frames == [FRAME] and kept.seen == [("intake", "rate-limited")] * 2


async def test_what_the_store_did_not_take_is_taken_later_and_what_nobody_takes_is_told(
    requires: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "RETRY_S", 0.01)
    way_in, kept = FakeWayIn(), Kept()
    way_in.refusals = [Reason.STORE_FAILED, Reason.QUEUE_FULL]
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, response_topic=f"{ANSWERS}/1")
        assert (await dapp.answer())[1]["outcomes"][0]["level"] == "durable"
        assert way_in.frames == [FRAME] and kept.seen == [("intake", "store-failed"), ("intake", "queue-full")]
        for qos, reason in ((QoS.AT_MOST_ONCE, Reason.STORE_FAILED), (QoS.AT_LEAST_ONCE, Reason.BAD_SIGNATURE)):
            way_in.refusals = [reason]
            await dapp.publish(FRAME, qos, response_topic=f"{ANSWERS}/1")
            assert (await dapp.answer())[1]["outcomes"][0]["reason"] == reason
    assert way_in.frames == [FRAME]


async def test_what_comes_while_the_node_is_away_or_breaks_off_is_kept_by_the_broker(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    async with running_broker(requires("mosquitto"), tmp_path) as broker, a_dapp(broker) as dapp:
        bridge = a_bridge(broker.port, FakeInboxes(), kept, way_in=way_in, takes_publishes=True)
        way_in.pause.clear()
        async with bridging(bridge):
            await heard(dapp, kept)
            await dapp.publish(b"begun")
            await until(lambda: way_in.most_at_a_time == 1)
        assert way_in.frames == []
        await dapp.publish(b"meanwhile")
        way_in.pause.set()
        async with bridging(a_bridge(broker.port, FakeInboxes(), kept, way_in=way_in, takes_publishes=True)):
            await until(lambda: len(way_in.frames) == 2)
    assert way_in.frames == [b"begun", b"meanwhile"]


async def test_no_more_are_at_work_than_the_broker_was_told_and_no_flood_is_kept(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    way_in.pause.clear()
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        for number in range(3 * AT_A_TIME):
            await dapp.publish(b"%d" % number, QoS.AT_MOST_ONCE)
        await until(lambda: ("intake", "queue-full") in kept.seen)
        for number in range(AT_A_TIME + 10):
            await dapp.publish(b"sure %d" % number)
        assert way_in.most_at_a_time == AT_A_TIME
        way_in.pause.set()
        await until(lambda: sum(each.startswith(b"sure") for each in way_in.frames) == AT_A_TIME + 10)
    assert way_in.most_at_a_time == AT_A_TIME
    assert len([each for each in way_in.frames if not each.startswith(b"sure")]) < 3 * AT_A_TIME


@pytest.mark.parametrize("qos", [QoS.AT_LEAST_ONCE, QoS.AT_MOST_ONCE])
async def test_a_text_that_the_library_refuses_does_not_end_the_connection(
    requires: Callable[[str], Path], tmp_path: Path, qos: QoS
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    async with a_world(requires, tmp_path, way_in, kept) as (_, dapp):
        await dapp.publish(FRAME, qos, user_properties=[("a", "\ufeff")])
        await until(lambda: bool(kept.seen))
        await dapp.publish(b"well", response_topic=f"{ANSWERS}/1")
        await dapp.answer()
    assert kept.seen == [("intake", "malformed")] and way_in.frames == [b"well"]


async def test_a_broker_that_does_not_want_an_answer_ends_nothing(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    way_in, kept = FakeWayIn(), Kept()
    (tmp_path / "acl").write_text("topic readwrite pushmesh/publish/dapp\ntopic readwrite pushmesh/receipts/dapp/1\n")
    lines = ["allow_anonymous true", f"acl_file {tmp_path}/acl"]
    async with a_world(requires, tmp_path, way_in, kept, *lines) as (_, dapp):
        await dapp.publish(b"first", response_topic=f"{ANSWERS}/forbidden")
        await until(lambda: bool(kept.seen))
        await dapp.publish(b"well", response_topic=f"{ANSWERS}/1")
        await dapp.answer()
    assert way_in.frames == [b"first", b"well"], "Mosquitto 2.0.11 hangs up, and nothing comes again"
    assert kept.seen[0] == ("intake", "forbidden")


async def test_a_bridge_that_may_not_read_what_dapps_publish_says_so() -> None:
    kept = Kept()
    async with scripted_broker() as broker:
        bridge = a_bridge(broker.port, FakeInboxes(), kept, way_in=FakeWayIn(), takes_publishes=True)
        async with bridging(bridge):
            await broker.refuse_subscription()
            await until(lambda: kept.seen == [("publish", "forbidden")])
