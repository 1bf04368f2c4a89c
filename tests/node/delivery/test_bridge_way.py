"""Many messages on their way at once: what counts, and what does not, whatever order a broker confirms them in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from mqtt5 import PublishPacket
from msgspec.structs import replace

from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.bridges import DEVICE, INBOX, Kept, a_bridge, bridging
from support.fake_inboxes import FakeInboxes, a_message, a_notification
from support.scripted_broker import ScriptedBroker, scripted_broker
from support.until import until

NOTES = [a_notification(number) for number in range(1, 13)]


@pytest.fixture
def inboxes() -> FakeInboxes:
    inboxes = FakeInboxes()
    inboxes.commit(*NOTES)
    return inboxes


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with scripted_broker() as broker:
        yield broker


async def taken(broker: ScriptedBroker, count: int) -> list[PublishPacket]:
    return [await broker.publish() for _ in range(count)]


async def test_the_place_is_the_last_message_before_the_first_that_is_not_confirmed(
    broker: ScriptedBroker, inboxes: FakeInboxes
) -> None:
    async with bridging(a_bridge(broker.port, inboxes, Kept(), max_in_flight=6)):
        first = await taken(broker, 6)
        broker.confirm(first[1], first[2], first[4])
        await asyncio.sleep(0.05)
        assert inboxes.devices == {} and inboxes.handed_over == [], "the first one is not confirmed"
        assert broker.waiting() == 0, "no more is on the way than allowed, counted from the first unconfirmed"
        broker.confirm(first[0])
        more = await taken(broker, 3)
        assert inboxes.devices == {DEVICE: 3}
        assert inboxes.handed_over == [("bridge", note.id) for note in NOTES[:3]]
        broker.confirm(*reversed(more), first[5], first[3])
        await taken(broker, 3)
        assert inboxes.devices == {DEVICE: 9}
    assert [each for _, each in inboxes.handed_over] == [note.id for note in NOTES[:9]]


async def test_it_goes_on_sending_before_the_others_are_confirmed(broker: ScriptedBroker, inboxes: FakeInboxes) -> None:
    async with bridging(a_bridge(broker.port, inboxes, Kept(), max_in_flight=4)):
        waiting = await taken(broker, 4)
        for _ in range(len(NOTES) - 4):  # each confirmation makes room for one more: no waiting for a whole part
            broker.confirm(waiting.pop(0))
            waiting += await taken(broker, 1)
        assert inboxes.devices == {DEVICE: len(NOTES) - 4}
        broker.confirm(*waiting)
        await until(lambda: inboxes.devices[DEVICE] == len(NOTES))


async def test_no_more_is_unconfirmed_than_the_broker_says_it_takes(inboxes: FakeInboxes) -> None:
    async with (
        scripted_broker(receive_max=3) as broker,
        bridging(a_bridge(broker.port, inboxes, Kept(), max_in_flight=64)),
    ):
        await taken(broker, 3)
        await asyncio.sleep(0.05)
        assert broker.waiting() == 0


async def test_what_the_broker_cannot_take_is_left_out_and_counted(inboxes: FakeInboxes) -> None:
    kept = Kept()
    large, last = a_notification(50), a_notification(51)
    inboxes.append([replace(a_message(13, large), frame=b"x" * 3_000), a_message(14, last)])
    async with scripted_broker(max_packet_size=3_000) as broker, bridging(a_bridge(broker.port, inboxes, kept)):
        packets = await taken(broker, len(NOTES) + 1)
        broker.confirm(*packets)
        await until(lambda: inboxes.devices.get(DEVICE) == len(NOTES) + 2)
    assert kept.seen == [("message", "oversize")]
    assert [each for _, each in inboxes.handed_over] == [*[note.id for note in NOTES], last.id]


async def test_what_expired_on_the_way_counts_as_passed_and_is_not_sent(broker: ScriptedBroker) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    over = a_notification(1)
    inboxes.commit(over, a_notification(2))
    clock = over.body.expires_at - 500  # less than a second is left of all of them
    async with bridging(a_bridge(broker.port, inboxes, kept, now_ms=lambda: clock)):
        await until(lambda: inboxes.devices.get(DEVICE) == 2)
        assert broker.waiting() == 0
    assert kept.seen == [("message", "expired")] * 2 and inboxes.handed_over == []


async def test_a_place_that_cannot_be_remembered_ends_the_connection_and_nothing_is_skipped(
    broker: ScriptedBroker, inboxes: FakeInboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, reach, fails = Kept(), FakeInboxes.reach, [True]

    def sometimes(self: FakeInboxes, *given: object) -> None:
        if fails:
            raise Denied(Reason.QUEUE_FULL, "the store has fallen behind")
        reach(self, *given)  # type: ignore[arg-type]  # whatever it was given

    monkeypatch.setattr(FakeInboxes, "reach", sometimes)
    async with bridging(a_bridge(broker.port, inboxes, kept, reconnect_max_s=0.01)):
        broker.confirm((await taken(broker, 1))[0])
        await until(lambda: ("read", "queue-full") in kept.seen)
        assert inboxes.devices == {}
        fails.clear()
        await until(lambda: broker.connections >= 2)
        again = await taken(broker, 2)
        while INBOX != again[0].topic or note_of(again[0]) != NOTES[0].id.hex():
            again = [again[1], *await taken(broker, 1)]
        broker.confirm(again[0])
        await until(lambda: inboxes.devices.get(DEVICE) == 1)


def note_of(packet: PublishPacket) -> str:
    return dict(packet.user_properties)["id"]


async def test_what_was_confirmed_at_the_last_moment_counts(broker: ScriptedBroker, inboxes: FakeInboxes) -> None:
    async with bridging(a_bridge(broker.port, inboxes, Kept(), reconnect_max_s=0.01)):
        packets = await taken(broker, 5)
        broker.confirm(*packets)
        broker.hang_up()
        await until(lambda: broker.connections >= 2)
        assert inboxes.devices == {DEVICE: 5}
