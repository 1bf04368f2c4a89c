import asyncio
from dataclasses import dataclass, field

from pushmesh_node.delivery.heartbeat import SPOKES, Wheel


@dataclass(eq=False)
class Rider:
    """A connection that notes when it was reminded, and leaves then if it likes."""

    wheel: Wheel
    leaves: bool = False
    said: int = 0
    beats: list[int] = field(default_factory=list)

    def beat(self) -> None:
        self.beats.append(self.wheel.now)
        if self.leaves:
            self.wheel.remove(self)


def turn(wheel: Wheel, ticks: int) -> None:
    for _ in range(ticks):
        wheel._turn()


async def test_who_is_silent_is_reminded_once_a_period_and_who_speaks_a_period_after() -> None:
    wheel = Wheel(3_600.0)
    silent, talker = Rider(wheel), Rider(wheel)
    wheel.add(silent)
    turn(wheel, 10)
    wheel.add(talker)
    turn(wheel, 30)
    talker.said = wheel.now
    turn(wheel, 3 * SPOKES - 40)
    assert silent.beats == [SPOKES, 2 * SPOKES, 3 * SPOKES]
    assert talker.beats == [40 + SPOKES, 40 + 2 * SPOKES]
    wheel.remove(silent)
    wheel.remove(talker)


async def test_who_leaves_is_reminded_no_more_and_the_last_one_stops_the_wheel() -> None:
    wheel = Wheel(3_600.0)
    leaver, stayer = Rider(wheel, leaves=True), Rider(wheel)
    for each in (leaver, stayer):
        wheel.add(each)
    turn(wheel, 2 * SPOKES)
    assert (leaver.beats, stayer.beats, len(wheel)) == ([SPOKES], [SPOKES, 2 * SPOKES], 1)
    wheel.remove(stayer)
    wheel.remove(stayer)
    assert len(wheel) == 0 and wheel._timer is None


async def test_the_wheel_turns_by_itself() -> None:
    wheel = Wheel(0.05)
    reminded = asyncio.Event()

    @dataclass(eq=False)
    class Waiter(Rider):
        def beat(self) -> None:
            reminded.set()

    waiter = Waiter(wheel)
    wheel.add(waiter)
    async with asyncio.timeout(20):
        await reminded.wait()
    wheel.remove(waiter)
