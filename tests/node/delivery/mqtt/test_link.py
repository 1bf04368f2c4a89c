"""The moving parts of a connection: batches, back-pressure, slow clients, and what a failing store leaves behind."""

import asyncio
import json

import pytest
from mqtt5 import (
    ConnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt import Limits, MqttEndpoint, wire
from pushmesh_node.delivery.mqtt.link import MOST_ANSWERS_BYTES
from pushmesh_node.engine.answers import Denied, Level, Principal, Wait
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import FakeInboxes, a_notification
from support.mqtt_world import ALICE, RawClient, World, a_connect, a_frame, running, until


async def ready(endpoint: MqttEndpoint, connect: ConnectPacket | None = None, qos: QoS | None = None) -> RawClient:
    """Logged in and, with a QoS, subscribed to the inbox."""
    client = await RawClient.dial(endpoint.port)
    await client.send(a_connect() if connect is None else connect)
    await client.read()
    if qos is not None:
        await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox", max_qos=qos)]))
        assert isinstance(await client.read(), SubAckPacket)
    return client


def a_publish(packet_id: int) -> PublishPacket:
    frame = a_frame(a_notification(packet_id))
    return PublishPacket("pushmesh/publish", frame, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id)


async def test_frames_that_come_together_go_to_the_node_together_and_answers_keep_their_order() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await ready(endpoint)
        await client.send(b"".join(a_publish(number).write() for number in range(1, 41)))
        answers = [await client.read() for _ in range(40)]
    assert [answer.packet_id for answer in answers if isinstance(answer, PubAckPacket)] == list(range(1, 41))
    assert all(isinstance(each, PubAckPacket) and each.reason_code == PubAckReasonCode.SUCCESS for each in answers)
    assert sum(world.calls) == 40 and len(world.calls) < 40


async def test_a_client_is_not_read_while_too_much_waits_and_nothing_is_lost() -> None:
    world = World(gate=asyncio.Event())
    assert world.gate is not None
    limits = Limits(waiting_requests=5, batches_in_flight=2)
    async with running(world, limits) as endpoint:
        client = await ready(endpoint)
        for number in range(1, 21):
            await client.send(PublishPacket("pushmesh/publish", a_frame(a_notification(number))))
            await asyncio.sleep(0)
        await client.send(PingReqPacket())
        await until(lambda: len(world.calls) == 2)
        waiting = asyncio.create_task(client.read())
        await asyncio.sleep(0.05)
        assert not waiting.done(), "the ping lies behind what waits"
        world.gate.set()
        assert isinstance(await waiting, PingRespPacket)
        await until(lambda: len(world.published) == 20)
    assert [each.id for each in world.published] == [a_notification(number).id for number in range(1, 21)]


async def test_a_node_that_takes_no_more_says_so_and_the_connection_lives() -> None:
    world = World(denies=Denied(Reason.QUEUE_FULL, "come again"))
    async with running(world) as endpoint:
        client = await ready(endpoint)
        await client.send(a_publish(7))
        answer = await client.read()
        assert isinstance(answer, PubAckPacket)
        assert (answer.reason_code, answer.reason_str) == (PubAckReasonCode.QUOTA_EXCEEDED, "come again")
        world.denies = None
        await client.send(a_publish(7))
        again = await client.read()
        assert isinstance(again, PubAckPacket) and again.reason_code == PubAckReasonCode.SUCCESS


async def test_what_there_is_no_room_for_is_answered_over_quota_with_the_time_to_come_again() -> None:
    world = World(gate=asyncio.Event(), door=a_door(most_units=2))
    async with running(world) as endpoint:
        client = await ready(endpoint)
        for number in range(1, 6):
            await client.send(a_publish(number))
        await until(lambda: world.seen.count(("publish", "rate-limited")) == 3)
        assert world.gate is not None
        world.gate.set()
        answers = [await client.read() for _ in range(5)]
        codes = [answer.reason_code for answer in answers if isinstance(answer, PubAckPacket)]
        assert codes == [PubAckReasonCode.SUCCESS] * 2 + [PubAckReasonCode.QUOTA_EXCEEDED] * 3
        for answer in answers[2:]:
            assert isinstance(answer, PubAckPacket) and answer.reason_str
            words = dict(answer.user_properties)
            assert words["reason"] == "rate-limited" and float(words["retry-after-s"]) > 0
        await client.send(a_publish(6))
        again = await client.read()
        assert isinstance(again, PubAckPacket) and again.reason_code == PubAckReasonCode.SUCCESS
    assert world.door.admission.held_units == 0


async def test_a_client_that_leaves_gives_back_what_it_held() -> None:
    world = World(gate=asyncio.Event(), door=a_door(most_units=100))
    async with running(world, Limits(batches_in_flight=1)) as endpoint:
        client = await ready(endpoint)
        await client.send(a_publish(1))
        await until(lambda: world.calls == [1])
        for number in range(2, 6):
            await client.send(a_publish(number))  # these wait in the link itself
        await until(lambda: world.door.admission.held_units == 5)
        await client.close()
        await until(lambda: endpoint.connections == 0)
    assert world.door.admission.held_units == 0


async def test_a_client_that_takes_no_bytes_is_ended_and_resumes_without_loss() -> None:
    world = World()
    texts = [a_notification(number, text="x" * 200) for number in range(1, 6_001)]
    world.inboxes.commit(*texts)
    async with running(world, Limits(write_timeout_s=0.1, acknowledge_after_s=0.0)) as endpoint:
        await ready(endpoint, a_connect(clean_start=False), QoS.AT_MOST_ONCE)
        await until(lambda: ("end", "slow-consumer") in world.seen)
        await until(lambda: endpoint.connections == 0)
        reached = world.inboxes.devices[(ALICE, "phone")]
        assert 0 < reached < 6_000
        again = await ready(endpoint, a_connect(clean_start=False), QoS.AT_MOST_ONCE)
        following = await again.read()
        assert isinstance(following, PublishPacket)
        assert dict(following.user_properties)["cursor"].endswith(f".{reached + 1}")


async def test_a_client_that_takes_bytes_slowly_is_heard_until_too_many_answers_wait_for_it() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    async with running(world) as endpoint:
        client = await ready(endpoint, a_connect(clean_start=False), QoS.AT_LEAST_ONCE)
        packet = await client.read()
        assert isinstance(packet, PublishPacket)
        (link,) = endpoint._alive
        transport = link._transport
        assert transport is not None
        link.pause_writing()
        await client.send(PubAckPacket(packet.packet_id or 0))
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 1)
        assert transport.is_reading(), "else it would get the same again and again, and confirm it in vain"
        await client.send(PingReqPacket().write() * (MOST_ANSWERS_BYTES // 2 + 9))
        await until(lambda: link._waiting_bytes >= MOST_ANSWERS_BYTES and not link._connection.has_more)
        assert not transport.is_reading()
        link.resume_writing()
        await until(transport.is_reading)


async def test_a_flood_of_small_packets_leaves_others_their_turn_and_is_answered_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MOST_AT_ONCE", 8)
    async with running(World()) as endpoint:
        client = await ready(endpoint)
        (link,) = endpoint._alive
        turns = 0
        await client.send(PingReqPacket().write() * 800)
        async with asyncio.timeout(20):
            while turns < 20:
                turns += link._connection.has_more
                await asyncio.sleep(0)
        answers = [await client.read() for _ in range(800)]
        assert all([isinstance(answer, PingRespPacket) for answer in answers])
        await client.close()


async def test_a_client_that_asks_and_never_reads_is_not_read_either() -> None:
    world = World()
    async with running(world) as endpoint:
        flooding = await ready(endpoint)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                while sent < 500_000_000:
                    async with asyncio.timeout(1):
                        await flooding.send(b"\xc0\x00" * 100_000)
                    sent += 200_000
        assert 0 < sent < 12_000_000, f"the pings stay in the buffers of the sockets, not {sent} bytes"
        other = await ready(endpoint, a_connect("laptop"))
        await other.send(PingReqPacket())
        assert isinstance(await other.read(), PingRespPacket)


class Forgetful(FakeInboxes):
    """Takes no acknowledgement while `fails`."""

    fails = True

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        if self.fails:
            raise Denied(Reason.QUEUE_FULL, "the store has fallen behind")
        super().reach(principal, device, commit_no)


async def test_an_acknowledgement_that_was_not_taken_is_told_again_at_the_end() -> None:
    inboxes = Forgetful()
    world = World(inboxes)
    world.inboxes.commit(a_notification(1))
    async with running(world, Limits(acknowledge_after_s=0.5)) as endpoint:
        client = await ready(endpoint, a_connect(clean_start=False), QoS.AT_LEAST_ONCE)
        packet = await client.read()
        assert isinstance(packet, PublishPacket)
        await client.send(PubAckPacket(packet.packet_id or 0))
        await until(lambda: ("acknowledge", "queue-full") in world.seen)
        assert world.inboxes.devices == {}
        inboxes.fails = False
        await client.close()
        await until(lambda: endpoint.connections == 0)
        assert world.inboxes.devices == {(ALICE, "phone"): 1}


async def test_messages_during_a_long_read_come_once_and_in_order() -> None:
    world = World()
    world.inboxes.commit(*[a_notification(number) for number in range(1, 501)])
    async with running(world) as endpoint:
        client = await ready(endpoint, a_connect(clean_start=False, receive_max=20), QoS.AT_LEAST_ONCE)
        cursors = []
        for number in range(1, 701):
            packet = await client.read()
            assert isinstance(packet, PublishPacket)
            cursors.append(int(dict(packet.user_properties)["cursor"].split(".")[1]))
            await client.send(PubAckPacket(packet.packet_id or 0))
            if number <= 200:
                world.inboxes.commit(a_notification(500 + number))
        assert cursors == list(range(1, 701))
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 700)


@pytest.mark.parametrize("pattern", ["pushmesh/inbox", "pushmesh/inbox/#"])
async def test_what_becomes_live_is_counted_once_and_waits_for_room_in_order(pattern: str) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await ready(endpoint, a_connect(receive_max=2))
        await client.send(SubscribePacket(1, [TopicFilter(pattern, max_qos=QoS.AT_LEAST_ONCE)]))
        assert isinstance(await client.read(), SubAckPacket)
        await until(lambda: world.consumers.by_transport() == {"mqtt": 1})
        await client.send(PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        for number in range(1, 6):
            world.inboxes.commit(a_notification(number))
        heard, held = [], list[int]()
        for _ in range(5):
            packet = await client.read()
            assert isinstance(packet, PublishPacket) and packet.packet_id is not None
            heard.append(dict(packet.user_properties)["id"])
            held.append(packet.packet_id)
            assert len(set(held)) <= 2
            if len(held) == 2:
                await client.send(*[PubAckPacket(each) for each in reversed(held)])
                held = []
        assert heard == [a_notification(number).id.hex() for number in range(1, 6)]
        await until(lambda: len(world.inboxes.handed_over) == 5)
    assert world.inboxes.handed_over == [("mqtt", a_notification(number).id) for number in range(1, 6)]


async def receipts_and(endpoint: MqttEndpoint, *packets: PublishPacket) -> RawClient:
    """A client that listens to its receipts and has published."""
    client = await ready(endpoint)
    await client.send(SubscribePacket(1, [TopicFilter("pushmesh/receipts/me")]))
    assert isinstance(await client.read(), SubAckPacket)
    await client.send(*packets)
    return client


def a_waiting_publish(packet_id: int, **words: str) -> PublishPacket:
    return PublishPacket(
        "pushmesh/publish",
        a_frame(a_notification(packet_id)),
        qos=QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
        response_topic="pushmesh/receipts/me",
        user_properties=list(words.items()),
    )


async def test_puback_says_durable_while_the_receipt_waits_for_what_was_asked() -> None:
    world = World()
    async with running(world) as endpoint:
        slow, quick = a_waiting_publish(1, wait="propagated", k="2", timeout_s="30"), a_waiting_publish(2)
        client = await receipts_and(endpoint, slow, quick)
        heard = [await client.read() for _ in range(3)]
        assert [each.packet_id for each in heard if isinstance(each, PubAckPacket)] == [1, 2]
        (receipt,) = [each for each in heard if isinstance(each, PublishPacket)]
        assert json.loads(receipt.payload)["outcomes"][0]["level"] == "durable"
        world.holders.set()
        last = await client.read()
        assert isinstance(last, PublishPacket)
        (outcome,) = json.loads(last.payload)["outcomes"]
        assert (outcome["level"], outcome["id"]) == ("propagated", a_notification(1).id.hex())
    assert world.waits == [Wait(Level.PROPAGATED, 2, 30.0), Wait()]


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind() -> None:
    world = World()
    async with running(world) as endpoint:
        client = await receipts_and(endpoint, a_waiting_publish(1, wait="propagated"))
        assert isinstance(await client.read(), PubAckPacket)
        await client.close()
        await until(lambda: endpoint.connections == 0)
        world.holders.set()
        await asyncio.sleep(0.01)
    assert [each.id for each in world.published] == [a_notification(1).id]
    assert world.door.admission.held_units == 0


async def test_what_comes_too_late_to_begin_gives_back_what_it_held() -> None:
    world = World(door=a_door(most_units=100))
    async with running(world) as endpoint:
        await receipts_and(endpoint)
        (link,) = endpoint._alive
        transport = link._transport
        assert transport is not None
        transport.set_protocol(asyncio.Protocol())
        transport.abort()
        link.connection_lost(None)
        link.data_received(a_waiting_publish(1).write())  # read before, handled after, in one turn of the loop
        assert world.door.admission.held_units == 1
        await until(lambda: endpoint.connections == 0)
    assert (world.published, world.door.admission.held_units) == ([], 0)


async def test_a_node_that_takes_no_more_tells_a_waiting_publisher_in_both_places() -> None:
    world = World(denies=Denied(Reason.QUEUE_FULL, "come again", retry_after_s=3))
    async with running(world) as endpoint:
        client = await receipts_and(endpoint, a_waiting_publish(1))
        receipt, answer = await client.read(), await client.read()
        assert isinstance(receipt, PublishPacket) and isinstance(answer, PubAckPacket)
        assert json.loads(receipt.payload) == {
            "reason": "queue-full",
            "rule": "",
            "detail": "come again",
            "retry_after_s": 3,
        }
        assert answer.reason_code == PubAckReasonCode.QUOTA_EXCEEDED
