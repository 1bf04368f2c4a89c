"""A client's publishes on their way to the node: few calls at a time, and nothing held that was not handed in."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from pushmesh_node.delivery.mqtt.events import Event, FrameAnswered, ReceiptsGiven, RequestAnswered, SubmitFrame
from pushmesh_node.delivery.mqtt.limits import Limits
from pushmesh_node.delivery.mqtt.way_in import WayIn
from pushmesh_node.engine.answers import Wait
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import a_notification
from support.mqtt_world import World, a_frame, until


class Side:
    """The connection around it; with `begins` false it is over."""

    def __init__(self, world: World, *, begins: bool = True) -> None:
        self.heard: list[Event] = []
        self.begins = begins
        self.tasks: list[asyncio.Task[None]] = []
        caller = world.door.caller("mqtt", "192.0.2.1", "alice")
        self.way = WayIn(caller, Limits(batches_in_flight=2), world.ports(), self.heard.append, self._begin)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        if not self.begins:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task


def an_order(number: int, wait: Wait | None = None) -> SubmitFrame:
    return SubmitFrame(number, a_frame(a_notification(number)), False, wait)


async def test_what_comes_while_calls_are_under_way_goes_together_in_the_next() -> None:
    world = World(gate=asyncio.Event())
    side = Side(world)
    side.way.take(an_order(1))
    await until(lambda: len(world.calls) == 1)
    side.way.take(an_order(2))
    await until(lambda: len(world.calls) == 2)
    for number in range(3, 8):
        side.way.take(an_order(number))
    await asyncio.sleep(0)
    assert world.calls == [1, 1], "no more than two at a time"
    assert world.gate is not None
    world.gate.set()
    await until(lambda: len(side.heard) == 7)
    assert world.calls == [1, 1, 5]
    assert sorted([each.number for each in side.heard if isinstance(each, FrameAnswered)]) == list(range(1, 8))
    assert world.door.admission.held_units == 0


async def test_what_waits_for_a_level_is_answered_twice() -> None:
    world = World()
    side = Side(world)
    side.way.take(an_order(1, Wait()))
    await until(lambda: len(side.heard) == 2)
    assert [type(each) for each in side.heard] == [FrameAnswered, ReceiptsGiven]


async def test_what_there_is_no_room_for_is_answered_at_once() -> None:
    world = World(door=a_door(most_units=1), gate=asyncio.Event())
    side = Side(world)
    side.way.take(an_order(1))
    side.way.take(an_order(2))
    (answer,) = side.heard
    assert isinstance(answer, RequestAnswered) and (answer.number, answer.reason) == (2, Reason.RATE_LIMITED)
    assert world.gate is not None
    world.gate.set()
    await asyncio.gather(*side.tasks)


async def test_at_the_end_nothing_stays_held() -> None:
    world = World(door=a_door(most_units=100))
    side = Side(world, begins=False)
    side.way.take(an_order(1))
    side.way.take(an_order(2, Wait()))
    assert world.door.admission.held_units == 2
    side.way.close()
    assert world.door.admission.held_units == 0
