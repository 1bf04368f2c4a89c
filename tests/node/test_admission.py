"""The bound on what publishers have under way: a naive twin, shares, and a node of a given pace in virtual time."""

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pushmesh_node.admission import (
    GREED,
    JITTER,
    LEAST_RETRY_S,
    LONGEST_RETRY_S,
    REMEMBERED,
    START_UNITS,
    UNIT_BYTES,
    Admission,
    Bounds,
    Caller,
    Ticket,
    caller_of,
    units_of,
)

FIXED = Bounds(wait_s=0.5, least_units=100, most_units=100)
STEP_S = 0.001


def caller(name: str = "a") -> Caller:
    """Of `place/who`, or of one that has no place."""
    place, _, who = name.rpartition("/")
    return Caller("http", place, who)


def fill(admission: Admission, *callers: Caller) -> Counter[Caller]:
    """All of them take by turns until nobody gets any more; how many each got."""
    got: Counter[Caller] = Counter()
    more = True
    while more:
        more = False
        for each in callers:
            if admission.enter(each, 1, 0.0) is not None:
                got[each] += 1
                more = True
    return got


def test_a_frame_counts_by_its_size_and_an_empty_one_too() -> None:
    assert [units_of(size) for size in (0, 1, UNIT_BYTES - 1, UNIT_BYTES, 10 * UNIT_BYTES)] == [1, 1, 1, 2, 11]


def test_callers_are_told_apart_by_place_and_this_machine_has_none_where_it_is_exempt() -> None:
    assert caller_of("mqtt", "192.0.2.7", "x", exempt_loopback=True) == Caller("mqtt", "192.0.2.7", "x")
    assert caller_of("mqtt", "2001:db8::7", "x", exempt_loopback=True).place == "2001:db8::/64"
    assert caller_of("mqtt", "127.0.0.1", "x", exempt_loopback=True).place == ""
    assert caller_of("mqtt", "127.0.0.1", "x", exempt_loopback=False).place == "127.0.0.1"


def test_an_idle_node_takes_what_comes_and_one_alone_gets_four_fifths() -> None:
    admission = Admission(FIXED)
    assert fill(admission, caller()) == {caller(): 80}
    assert admission.held_units == 80


@pytest.mark.parametrize("count", [2, 5, 20])
def test_who_asks_for_everything_gets_an_equal_share_and_the_next_one_still_finds_room(count: int) -> None:
    admission = Admission(FIXED)
    flood = [caller(str(number)) for number in range(count)]
    shares = fill(admission, *flood)
    assert max(shares.values()) - min(shares.values()) <= 1
    assert min(shares.values()) >= GREED * 100 // (1 + GREED * count)
    assert admission.enter(caller("late"), 1, 0.0) is not None


def test_one_at_a_place_leaves_room_for_its_neighbours() -> None:
    admission = Admission(FIXED)
    fill(admission, caller("192.0.2.1/greedy"))
    assert admission.enter(caller("192.0.2.1/neighbour"), 1, 0.0) is not None


def test_one_large_frame_is_taken_where_there_is_room_for_any_and_then_nothing_is() -> None:
    admission = Admission(FIXED)
    ticket = admission.enter(caller(), 1_000 * UNIT_BYTES, 0.0)
    assert ticket is not None and admission.held_units == 1_001
    assert not admission.has_room(caller("b"))
    admission.leave(ticket, 0.0)
    assert admission.has_room(caller("b"))


def test_a_ticket_is_given_back_once_however_often_it_is_told() -> None:
    admission = Admission(FIXED)
    first, second = (admission.enter(caller(), 1, 0.0) for _ in range(2))
    assert first is not None and second is not None
    for _ in range(3):
        admission.leave(first, 0.0)
        admission.give_back(first)
    assert (admission.held_units, admission.callers) == (1, 1)
    admission.give_back(second)
    admission.leave(second, 0.0)
    assert (admission.held_units, admission.callers) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_its_sums_are_those_of_a_naive_twin(seed: int) -> None:
    """The twin adds up open tickets each time, and reads the rule as it is written."""
    draw = random.Random(seed)
    bounds = Bounds(least_units=50, most_units=50)
    admission, tickets = Admission(bounds), list[Ticket]()
    callers = [Caller("mqtt", place, who) for place in ("", "p", "q") for who in "abc"]
    for _ in range(3_000):
        if tickets and draw.random() < 0.48:
            admission.leave(tickets.pop(draw.randrange(len(tickets))), 0.0)
            continue
        asking, size = draw.choice(callers), draw.choice((0, 100, 600, 5_000))
        held = sum(ticket.units for ticket in tickets)
        mine = sum(t.units for t in tickets if (t.caller.place, t.caller.who) == (asking.place, asking.who))
        place = sum(t.units for t in tickets if t.caller.place == asking.place)
        most = GREED * (50 - held)
        room = held < 50 and mine < (GREED * (most - place) if asking.place else most)
        ticket = admission.enter(asking, size, 0.0)
        assert (ticket is not None) == room
        if ticket is not None:
            tickets.append(ticket)
        assert admission.held_units == sum(each.units for each in tickets) < 50 + units_of(5_000)
    for ticket in tickets:
        admission.leave(ticket, 0.0)
    assert (admission.held_units, admission.callers, admission.limit_units) == (0, 0, 50)


@dataclass
class Busy:
    """A node that does first what is due first, at any pace, in virtual time."""

    admission: Admission
    now_s: float = 0.0
    waits: list[tuple[float, float, str]] = field(default_factory=list)
    """When each was answered, how long it had waited, and whose it was."""
    done: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By who, and the second."""
    refused: Counter[str] = field(default_factory=Counter)
    queue: list[tuple[float, int, str, Ticket]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    credit: float = 0.0

    def play(self, seconds: float, pace: float, **offers: float) -> "Busy":
        """So many units a second done, so many frames a second offered of each."""
        due = dict.fromkeys(offers, 0.0)
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            for who, rate in offers.items():
                due[who] += rate * STEP_S
                while due[who] >= 1:
                    due[who] -= 1
                    self.offer(who)
            self.credit = (self.credit if self.queue else 0.0) + pace * STEP_S
            self.work()
        return self

    def offer(self, who: str) -> None:
        ticket = self.admission.enter(caller(who), 1, self.now_s)
        if ticket is None:
            self.admission.refuse(caller(who), 1, self.now_s, 0.0)
            self.refused[who] += 1
        else:
            heapq.heappush(self.queue, (ticket.due_s, next(self.numbers), who, ticket))

    def work(self) -> None:
        while self.queue and self.credit >= 1:
            self.credit -= 1
            _, _, who, ticket = heapq.heappop(self.queue)
            self.waits.append((self.now_s, self.now_s - ticket.since_s, who))
            self.done[who, int(self.now_s)] += 1
            self.admission.leave(ticket, self.now_s)

    def longest_wait_s(self, since_s: float, who: str = "") -> float:
        return max(wait for at, wait, whose in self.waits if at > since_s and who in ("", whose))

    def answered(self, since_s: float) -> int:
        return sum(1 for at, _, _ in self.waits if at > since_s)


def busy() -> Busy:
    return Busy(Admission(Bounds(wait_s=0.5, least_units=64, most_units=16_384)))


@pytest.mark.parametrize("pace", [1_000, 4_000, 15_000])
def test_at_five_times_the_pace_nobody_who_was_let_in_waits_long_and_the_node_is_never_idle(pace: int) -> None:
    start_s = START_UNITS / pace  # until what came in before anything was measured is done
    node = busy().play(start_s + 3.0, pace, flood=5 * pace)
    assert node.longest_wait_s(start_s + 1.0) <= 1.1 * 0.5
    assert node.answered(start_s + 1.0) >= 0.95 * pace * 2.0
    assert node.refused["flood"] >= 3.9 * pace * (start_s + 3.0) - START_UNITS


def test_a_node_that_becomes_slower_soon_lets_in_less() -> None:
    node = busy().play(4.0, 8_000, flood=20_000)
    assert node.longest_wait_s(2.0) <= 0.55
    node.play(8.0, 1_000, flood=20_000)
    assert node.longest_wait_s(9.0) <= 0.55


def test_a_node_that_becomes_faster_soon_lets_in_more() -> None:
    node = busy().play(4.0, 500, flood=20_000).play(16.0, 8_000, flood=20_000)
    assert node.answered(18.0) >= 0.95 * 8_000 * 2.0


def test_a_stall_refuses_newcomers_and_ends_with_itself() -> None:
    node = busy().play(3.0, 4_000, flood=8_000).play(2.0, 0, flood=8_000)
    assert node.admission.limit_units == 64
    node.play(4.0, 4_000, flood=8_000)
    assert node.answered(7.0) >= 0.95 * 4_000 * 2.0
    assert node.longest_wait_s(7.0) <= 0.55


def test_a_flood_leaves_a_quiet_publisher_all_it_asks_for() -> None:
    node = busy().play(5.0, 4_000, flood=20_000, quiet=50)
    assert node.refused["quiet"] == 0 < node.refused["flood"]


def test_a_quiet_publisher_goes_before_a_flood_that_still_waits_no_longer_than_it_may() -> None:
    node = busy().play(6.0, 4_000, flood=20_000, other=20_000, quiet=50)
    assert node.longest_wait_s(3.0, "quiet") <= 0.1
    assert node.longest_wait_s(3.0, "flood") <= 2 * 0.5


def test_many_quiet_ones_cannot_hold_up_one_who_has_much_for_longer_than_twice_the_wait() -> None:
    crowd = {f"quiet {number}": 5.0 for number in range(1_000)}
    node = busy().play(2.0, 4_000, flood=20_000).play(4.0, 4_000, flood=20_000, **crowd)
    assert node.longest_wait_s(0.0, "flood") <= 2 * 0.5 + START_UNITS / 4_000
    assert node.longest_wait_s(3.0, "flood") <= 2 * 0.5


@pytest.mark.parametrize("seed", range(5))
def test_what_one_brings_is_due_in_its_order(seed: int) -> None:
    draw, admission = random.Random(seed), Admission(FIXED)
    held: list[Ticket] = []
    now_s = 0.0
    for _ in range(2_000):
        now_s += draw.random() / 100
        asking = caller(draw.choice(("a", "b", "192.0.2.1/a", "192.0.2.1/b")))
        ticket = admission.enter(asking, draw.choice((1, 5_000)), now_s)
        if ticket is not None:
            mine = [each.due_s for each in held if each.caller == asking]
            assert max(mine, default=now_s) <= ticket.due_s <= now_s + FIXED.wait_s
            held.append(ticket)
        if len(held) > draw.randrange(40):
            admission.leave(held.pop(draw.randrange(len(held))), now_s)


def test_two_floods_of_different_force_get_the_same() -> None:
    node = busy().play(8.0, 4_000, strong=40_000, weak=5_000)
    assert sum(node.done["strong", second] for second in (5, 6, 7)) == pytest.approx(
        sum(node.done["weak", second] for second in (5, 6, 7)), rel=0.1
    )


def test_a_crowd_at_one_place_gets_no_more_than_one_at_another() -> None:
    """Whatever number of connections and wallets stand behind an address."""
    crowd = {f"192.0.2.1/{number}": 1_000.0 for number in range(20)}
    node = busy().play(8.0, 4_000, **crowd, **{"192.0.2.2/alone": 8_000.0})
    done = Counter[str]()
    for (who, second), count in node.done.items():
        done[who.partition("/")[0]] += count if second >= 5 else 0
    assert done["192.0.2.2"] >= 0.7 * done["192.0.2.1"] > 0


def test_soon_after_a_flood_nothing_of_it_is_left() -> None:
    node = busy().play(4.0, 4_000, flood=20_000)
    assert node.admission.held_units > 0
    node.play(0.6, 4_000)
    assert (node.admission.held_units, node.admission.callers) == (0, 0)
    before = node.refused.total()
    node.play(1.0, 4_000, next=500)
    assert node.refused.total() == before
    assert node.longest_wait_s(4.7) <= 2 * STEP_S


def test_the_pace_is_that_of_the_time_with_something_to_do() -> None:
    """Bursts of ten, each done within ten milliseconds, ten times a second: told is the pace of a thousand a second."""
    admission = Admission(Bounds(wait_s=0.5, least_units=10, most_units=10))
    for burst in range(400):
        tickets = []
        for _ in range(20):
            if (ticket := admission.enter(caller(), 1, burst / 10)) is not None:
                tickets.append(ticket)
        told_s = admission.refuse(caller(str(burst)), 200 * UNIT_BYTES, burst / 10, 0.0)
        for number, ticket in enumerate(tickets, 1):
            admission.leave(ticket, burst / 10 + number / 1_000)
    assert told_s == pytest.approx(0.2, rel=0.15)


def test_light_load_says_nothing_of_the_pace_so_the_bound_stays() -> None:
    node = busy().play(5.0, 400, a=100)
    assert (node.admission.limit_units, node.refused) == (START_UNITS, Counter())


def test_who_is_refused_again_and_again_is_told_later_and_later_up_to_a_bound() -> None:
    admission = Admission(FIXED)  # its pace is 8,192 units a second until it is measured
    told = [admission.refuse(caller(), 1, 0.0, 0.0) for _ in range(50_000)]
    assert told[:410] == [LEAST_RETRY_S] * 409 + [pytest.approx(410 / 8_192)]
    assert told == sorted(told) and told[-1] == LONGEST_RETRY_S
    assert admission.refuse(caller("other"), 1, 0.0, 0.0) == LEAST_RETRY_S
    assert admission.refuse(caller(), 1, 10.0, 0.0) == LEAST_RETRY_S


def test_jitter_draws_the_time_out_and_never_shortens_it() -> None:
    first, last = (Admission(FIXED).refuse(caller(), 1_000 * UNIT_BYTES, 0.0, jitter) for jitter in (0.0, 0.999))
    assert first < last <= (1 + JITTER) * first


def test_only_so_many_promises_are_remembered() -> None:
    admission = Admission(FIXED)
    admission.refuse(caller("first"), 10_000 * UNIT_BYTES, 0.0, 0.0)
    assert admission.refuse(caller("first"), 1, 0.0, 0.0) > LEAST_RETRY_S
    for number in range(REMEMBERED):
        admission.refuse(caller(str(number)), 1, 0.0, 0.0)
    assert admission.refuse(caller("first"), 1, 0.0, 0.0) == LEAST_RETRY_S


def test_publishers_that_come_back_when_they_were_told_all_get_in_with_few_tries() -> None:
    """Ten bring a thousand each at once to a node that does two thousand a second."""
    admission, draw = Admission(Bounds(0.5, 64, 1_000)), random.Random(7)
    asking = [(0.0, number, str(number % 10)) for number in range(10_000)]
    heapq.heapify(asking)
    tries: Counter[int] = Counter()
    queue: deque[Ticket] = deque()
    for tick in range(15_000):
        now_s = tick * STEP_S
        while asking and asking[0][0] <= now_s:
            _, number, who = heapq.heappop(asking)
            tries[number] += 1
            ticket = admission.enter(caller(who), 1, now_s)
            if ticket is None:
                again_s = now_s + admission.refuse(caller(who), 1, now_s, draw.random())
                heapq.heappush(asking, (again_s, number, who))
            else:
                queue.append(ticket)
        for _ in range(min(2, len(queue))):
            admission.leave(queue.popleft(), now_s)
    assert len(tries) == 10_000 and not asking and not queue
    assert sum(tries.values()) <= 4 * 10_000
