import gc
from itertools import count
from random import Random

import pytest

from pushmesh_node.lab.sim.clock import Clock, SkewedClock

BEGAN = 1_790_000_000_000


def test_what_is_due_happens_in_order_and_at_its_own_time() -> None:
    clock = Clock(BEGAN)
    seen: list[object] = []
    clock.at(5_000, lambda: seen.append(("late", clock.now_us)))
    clock.at(1_000, lambda: seen.append(("early", clock.now_us)))
    assert clock.run_until(10_000) == 2
    assert seen == [("early", 1_000), ("late", 5_000)]
    assert (clock.now_us, clock.now_ms, clock.unix_ms) == (10_000, 10, BEGAN + 10)


def test_what_is_due_at_one_time_happens_in_the_order_of_the_orders() -> None:
    clock = Clock(BEGAN)
    seen: list[object] = []
    for number in range(5):
        clock.at(7, seen.append, number)
    clock.run_until(7)
    assert seen == [0, 1, 2, 3, 4]


def test_what_is_ordered_for_the_past_happens_now_and_what_is_not_due_waits() -> None:
    clock = Clock(BEGAN)
    seen: list[object] = []
    clock.run_until(100)
    clock.at(5, seen.append, "past")
    clock.after(50, seen.append, "later")
    clock.run_until(149)
    assert seen == ["past"]
    clock.run_until(150)
    assert seen == ["past", "later"]


def test_an_action_may_order_another_one_for_the_same_time() -> None:
    clock = Clock(BEGAN)
    seen: list[object] = []
    clock.at(3, lambda: clock.at(3, seen.append, "then"))
    clock.run_until(3)
    assert seen == ["then"]


@pytest.mark.parametrize("seed", range(8))
def test_it_goes_like_a_clock_that_sorts_everything_each_time(seed: int) -> None:
    clock, random, waiting, ran = Clock(BEGAN), Random(seed), list[tuple[int, int]](), list[tuple[int, int]]()
    numbers = count()

    def order(number: int) -> None:
        ran.append((clock.now_us, number))
        for delay_us in random.choices((-5, 0, 1, 700, 5_000, 90_000, 3_000_000), k=random.randrange(3)):
            add(max(clock.now_us, clock.now_us + delay_us))

    def add(time_us: int) -> None:
        waiting.append((time_us, number := next(numbers)))
        clock.at(time_us, order, number)

    for _ in range(200):
        add(clock.now_us + random.randrange(2_000_000))
        clock.run_until(clock.now_us + random.randrange(30_000))
        assert sorted(each for each in waiting if each[0] <= clock.now_us) == ran
    assert len(ran) > 100


def test_the_collector_rests_only_while_time_passes() -> None:
    clock = Clock(BEGAN)
    seen: list[object] = []
    clock.at(1, lambda: seen.append(gc.isenabled()))
    clock.run_until(1)
    assert seen == [False]
    assert gc.isenabled()


def test_a_skewed_clock_differs_in_wall_time_alone() -> None:
    clock = Clock(1_000_000)
    skewed, seen = SkewedClock(clock, -7_000), list[int]()
    skewed.after(2_000, lambda: seen.append(skewed.now_us))
    clock.run_until(5_000)
    assert seen == [2_000]
    assert (skewed.now_ms, skewed.unix_ms, clock.unix_ms) == (5, 993_005, 1_000_005)
