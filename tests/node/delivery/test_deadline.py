import asyncio
from contextlib import closing

from pushmesh_node.delivery.deadline import Deadline


def a_deadline(rung: asyncio.Event) -> Deadline:
    return Deadline(rung.set)


async def rings(rung: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(10):
            await rung.wait()
    except TimeoutError:
        return False
    return True


async def test_it_rings_once_when_its_time_has_passed() -> None:
    rung = asyncio.Event()
    with closing(a_deadline(rung)) as deadline:
        deadline.set(0.01)
        assert not deadline.expired
        assert await rings(rung)
        assert deadline.expired


async def test_a_later_deadline_replaces_an_earlier_one() -> None:
    rung = asyncio.Event()
    with closing(a_deadline(rung)) as deadline:
        deadline.set(0.005)
        deadline.set(3_600)
        await asyncio.sleep(0.03)
        assert not rung.is_set()
        assert not deadline.expired


async def test_an_earlier_deadline_replaces_a_later_one() -> None:
    rung = asyncio.Event()
    with closing(a_deadline(rung)) as deadline:
        deadline.set(3_600)
        deadline.set(0.005)
        assert await rings(rung)


async def test_it_rings_for_a_deadline_that_moved_while_its_timer_ran() -> None:
    rung = asyncio.Event()
    with closing(a_deadline(rung)) as deadline:
        for _ in range(20):
            deadline.set(0.01)
            await asyncio.sleep(0.001)
        assert await rings(rung)


async def test_a_cleared_or_closed_deadline_never_rings() -> None:
    rung = asyncio.Event()
    cleared, closed = a_deadline(rung), a_deadline(rung)
    for deadline in (cleared, closed):
        deadline.set(0.005)
    cleared.clear()
    closed.close()
    closed.close()
    await asyncio.sleep(0.03)
    assert not rung.is_set()
    cleared.set(0.005)
    assert await rings(rung)
    cleared.close()
