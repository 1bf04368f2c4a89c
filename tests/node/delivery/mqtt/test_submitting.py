"""Requests on their way to the node: frames in one call, each with its own answer."""

import asyncio
from collections.abc import Sequence

import msgspec

from pushmesh_node.admission import Ticket
from pushmesh_node.delivery.mqtt.events import (
    FrameAnswered,
    MarkedRead,
    ReceiptsGiven,
    RequestAnswered,
    SubmitAcknowledgement,
    SubmitFrame,
    SubmitRead,
)
from pushmesh_node.delivery.mqtt.submitting import acknowledge, admit, mark, publish, publish_and_tell
from pushmesh_node.engine.answers import Denied, Level, Outcome, Wait
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import WALLET, a_notification, a_principal
from support.mqtt_world import World, a_frame

INCARNATION = "ab" * 16


async def test_frames_go_in_one_call_and_json_is_the_same_frame() -> None:
    world, frame = World(), a_frame(a_notification(1))
    as_json = msgspec.json.encode({"frame": to_text(a_frame(a_notification(2)))})
    answers = await publish(
        world.publish, world.door, admitted(world, SubmitFrame(4, frame, False), SubmitFrame(5, as_json, True))
    )
    assert world.calls == [2]
    assert [(each.number, [outcome.reason for outcome in each.outcomes]) for each in frames_of(answers)] == [
        (4, [Reason.OK]),
        (5, [Reason.OK]),
    ]
    assert [each.id for each in world.published] == [a_notification(1).id, a_notification(2).id]


async def test_what_is_no_json_is_answered_without_the_node() -> None:
    world = World()
    bad = [b"{", b"[]", b'{"frame":7}', b"\xff", b"[" * 5_000]
    answers = await publish(
        world.publish, world.door, admitted(world, *[SubmitFrame(n, each, True) for n, each in enumerate(bad)])
    )
    assert [(type(each), each.number) for each in answers] == [(RequestAnswered, number) for number in range(len(bad))]
    assert all(isinstance(each, RequestAnswered) and each.reason is not Reason.OK for each in answers)
    assert (world.calls, world.door.admission.held_units) == ([], 0)


async def test_a_node_that_takes_no_more_answers_every_frame() -> None:
    async def full(frames: Sequence[bytes], tickets: Sequence[Ticket]) -> Sequence[Sequence[Outcome]]:
        await asyncio.sleep(0)
        raise Denied(Reason.QUEUE_FULL, "later", retry_after_s=2)

    world = World()
    orders = admitted(world, SubmitFrame(4, b"", False), SubmitFrame(5, b"", False))
    answers = await publish(full, world.door, orders)
    assert answers == [RequestAnswered(number, Reason.QUEUE_FULL, "", "later", 2) for number in (4, 5)]


async def test_an_order_that_waits_is_told_twice_and_what_is_no_json_once() -> None:
    world, heard = World(), list[Reason]()
    (good, ticket), (bad, other) = admitted(
        world,
        SubmitFrame(4, a_frame(a_notification(1)), False, Wait(Level.DURABLE, 1, 5.0)),
        SubmitFrame(5, b"{", True, Wait()),
    )

    def durable(outcomes: Sequence[Outcome]) -> None:
        heard.extend([each.reason for each in outcomes])

    answer = await publish_and_tell(world.publish_and_tell, world.door, good, ticket, durable)
    assert isinstance(answer, ReceiptsGiven) and answer.acknowledged[0].receipt is not None
    assert (heard, world.waits) == ([Reason.OK], [Wait(Level.DURABLE, 1, 5.0)])
    answer = await publish_and_tell(world.publish_and_tell, world.door, bad, other, durable)
    assert isinstance(answer, RequestAnswered) and answer.reason is Reason.MALFORMED
    assert world.door.admission.held_units == 0


def test_what_there_is_no_room_for_is_answered_with_the_time_to_come_back() -> None:
    door = a_door(most_units=1)
    caller = door.caller("mqtt", "192.0.2.1", "alice")
    assert isinstance(admit(door, caller, SubmitFrame(1, b"", False)), Ticket)
    answer = admit(door, caller, SubmitFrame(2, b"", False))
    assert isinstance(answer, RequestAnswered) and answer.retry_after_s
    assert (answer.number, answer.reason) == (2, Reason.RATE_LIMITED)


async def test_a_cursor_of_this_store_moves_the_device_and_another_does_not() -> None:
    world = World()
    ports = world.ports()
    good = SubmitAcknowledgement(1, f"{INCARNATION}.3", None)
    assert await acknowledge(ports, a_principal(), "phone", good) == RequestAnswered(1, Reason.OK, "", "")
    for text in (f"{'cd' * 16}.9", "9", "now", ""):
        answer = await acknowledge(ports, a_principal(), "phone", SubmitAcknowledgement(2, text, None))
        assert isinstance(answer, RequestAnswered) and answer.reason is Reason.BAD_CURSOR
    assert world.refused == ["bad-cursor"] * 4
    assert world.inboxes.devices == {(WALLET, "phone"): 3}


async def test_what_a_person_read_is_kept_and_said_as_over_http_and_a_place_elsewhere_is_refused() -> None:
    world = World()
    ports = world.ports()
    world.inboxes.commit(*[a_notification(number) for number in range(4)])
    order = SubmitRead(1, f"{INCARNATION}.1", [f"{INCARNATION}.3"])
    answer = await mark(ports, a_principal(), "phone", order)
    assert isinstance(answer, MarkedRead) and answer.number == 1
    assert msgspec.json.decode(answer.form) == {
        "device": "phone",
        "cursor": f"{INCARNATION}.1",
        "messages": [f"{INCARNATION}.3"],
        "unread": 2,
    }
    for cursor in (f"{'cd' * 16}.1", "9", f"{INCARNATION}.5"):
        answer = await mark(ports, a_principal(), "phone", SubmitRead(2, cursor, []))
        assert isinstance(answer, RequestAnswered) and answer.reason is Reason.BAD_CURSOR
    assert world.refused == ["bad-cursor"] * 3
    assert await world.wallets.unread(a_principal()) == 2


def admitted(world: World, *orders: SubmitFrame) -> list[tuple[SubmitFrame, Ticket]]:
    caller = world.door.caller("mqtt", "192.0.2.1", "alice")
    return [(order, world.door.admit(caller, len(order.payload))) for order in orders]


def frames_of(answers: Sequence[FrameAnswered | RequestAnswered]) -> list[FrameAnswered]:
    return [each for each in answers if isinstance(each, FrameAnswered)]
