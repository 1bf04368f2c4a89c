import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pushmesh_node.app import fanout as room
from pushmesh_node.app.fanout import Counting, Fanout, divide
from pushmesh_node.delivery.contract import Batch, Message
from pushmesh_node.engine.effects import Deliver, Group
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account
from support.app_world import Ear
from support.fake_inboxes import a_notification, a_principal

WALLETS = [Account(bytes([0, number]) + bytes(19)) for number in range(100)]


@dataclass(eq=False)
class Taker(Ear):
    """A listener that writes at once; `meanwhile` is called as each batch is taken."""

    meanwhile: Any = None

    def offer(self, batch: Batch) -> bool:
        super().offer(batch)
        if self.meanwhile is not None:
            self.meanwhile()
        return True


@dataclass
class World:
    """A fan-out with its surroundings; `outdone` are commit numbers that must not be shown."""

    delivered: list[tuple[str, list[Account], list[int]]] = field(default_factory=list)
    decided: list[tuple[str, str, int]] = field(default_factory=list)
    outdone: set[int] = field(default_factory=set)
    crashes: list[BaseException] = field(default_factory=list)
    fanout: Fanout = field(init=False)

    def __post_init__(self) -> None:
        counting = Counting(lambda *what: self.decided.append(what), self.count, self.crashes.append)
        self.fanout = Fanout(counting, lambda message, _: message.commit_no in self.outdone, lambda: 0)

    def count(self, transport: str, accounts: Sequence[Account], batch: Batch) -> None:
        self.delivered.append((transport, list(accounts), [message.commit_no for message in batch.messages]))

    def ears(self, accounts: Sequence[Account], seam: int = 0) -> list[Taker]:
        ears = [Taker(a_principal(account)) for account in accounts]
        for ear in ears:
            self.fanout.come(ear, seam)
        return ears

    def deliver(self, *orders: Deliver) -> None:
        self.fanout.deliver(orders, [b"frame"] * len(orders))


def order(commit_no: int, *groups: Sequence[Account]) -> Deliver:
    verdicts = ("now", "silent", "now")
    named = [Group(verdicts[place], Reason.OK, list(accounts)) for place, accounts in enumerate(groups)]
    return Deliver(commit_no, Part((a_notification(commit_no),)), 0, named)


def heard(ear: Ear) -> list[int]:
    return [message.commit_no for message in ear.heard]


async def settled(world: World) -> None:
    async with asyncio.timeout(20):
        while world.fanout._jobs:  # noqa: ASYNC110  # each turn of the loop is a slice
            await asyncio.sleep(0)


async def test_wallets_that_get_the_same_share_one_batch_and_are_counted_together() -> None:
    world = World()
    ears = world.ears(WALLETS[:3])
    world.deliver(order(1, WALLETS[:3]), order(2, WALLETS[:3]))
    assert [heard(ear) for ear in ears] == [[1, 2]] * 3
    assert world.delivered == [("test", WALLETS[:3], [1, 2])]
    assert world.decided == [("now", Reason.OK, 6)]


async def test_who_came_later_gets_only_what_lies_above_its_seam_and_who_left_nothing() -> None:
    world = World()
    (early, late), gone = [world.ears([WALLETS[0]], seam)[0] for seam in (0, 5)], world.ears(WALLETS[:1])[0]
    assert world.fanout.go(gone) and not world.fanout.go(gone)
    world.deliver(order(5, WALLETS[:1]), order(6, WALLETS[:1]))
    world.deliver(order(4, WALLETS[:1]))
    assert (heard(early), heard(late), heard(gone)) == ([5, 6, 4], [6], [])
    assert list(world.fanout.accounts()) == [WALLETS[0]] * 2
    world.fanout.go(early)
    world.fanout.go(late)
    assert list(world.fanout.accounts()) == []


async def test_each_wallet_gets_the_verdict_of_its_group() -> None:
    world = World()
    one, two = world.ears(WALLETS[:2])
    world.deliver(order(1, WALLETS[:1], WALLETS[1:2]))
    assert (one.heard[0].verdict, two.heard[0].verdict) == ("now", "silent")
    assert world.decided == [("now", Reason.OK, 1), ("silent", Reason.OK, 1)]


async def test_who_queues_it_is_not_counted_yet() -> None:
    world = World()
    ear = Ear(a_principal(WALLETS[0]))
    world.fanout.come(ear, 0)
    world.deliver(order(1, WALLETS[:1]))
    assert (heard(ear), world.delivered) == ([1], [])


async def test_a_commit_to_many_goes_out_in_slices_between_which_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "SLICE_S", 0.0)
    world = World()
    ears = world.ears(WALLETS)
    world.deliver(order(1, WALLETS))
    served = sum(bool(ear.heard) for ear in ears)
    assert 0 < served < len(ears)
    world.deliver(order(2, WALLETS))
    world.deliver(order(3, WALLETS[50:]))
    assert sum(bool(ear.heard) for ear in ears) == served, "what came later waits behind"
    await settled(world)
    assert [heard(ear) for ear in ears] == [[1, 2]] * 50 + [[1, 2, 3]] * 50
    assert sorted(sum([len(wallets) * len(commits) for _, wallets, commits in world.delivered], 0) for _ in "x") == [
        250
    ]


async def test_what_is_outdone_between_two_slices_reaches_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SLICE_S", 0.0)
    world = World()
    ears = world.ears(WALLETS)
    world.deliver(order(1, WALLETS), order(2, WALLETS))
    served = sum(bool(ear.heard) for ear in ears)
    world.outdone = {1}
    await settled(world)
    assert [heard(ear) for ear in ears] == [[1, 2]] * served + [[2]] * (len(ears) - served)
    world.outdone = {1, 3}
    world.deliver(order(3, WALLETS))
    assert not world.fanout._jobs
    assert all(3 not in heard(ear) for ear in ears)


async def test_who_leaves_between_two_slices_is_offered_nothing_and_who_came_reads_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "SLICE_S", 0.0)
    world = World()
    ears = world.ears(WALLETS)
    world.deliver(order(1, WALLETS))
    assert ears[-1].heard == []
    world.fanout.go(ears[-1])
    (newcomer,) = world.ears(WALLETS[-1:], seam=1)
    await settled(world)
    assert (heard(ears[-1]), heard(newcomer), heard(ears[-2])) == ([], [], [1])


async def test_writes_that_listeners_leave_are_carried_out_before_anything_else_happens() -> None:
    @dataclass(eq=False)
    class Leaver(Taker):
        written: list[bytes] = field(default_factory=list)

        def offer(self, batch: Batch) -> bool:
            batch.writes.append((self.written.append, b"%d" % len(batch.messages)))
            return True

    world = World()
    leavers = [Leaver(a_principal(account)) for account in WALLETS[:40]]
    for place, leaver in enumerate(leavers):
        world.fanout.come(leaver, seam=1 if place == 7 else 0)
    world.deliver(order(1, WALLETS[:40]), order(2, WALLETS[:40]))
    world.deliver(order(3, WALLETS[:40]))
    assert [leaver.written for leaver in leavers] == [[b"1" if place == 7 else b"2", b"1"] for place in range(40)]


async def test_a_stream_that_fails_ends_and_spoils_no_other() -> None:
    world = World()
    ears = world.ears(WALLETS[:3])

    def fail() -> None:
        raise RuntimeError("a fault of ours")

    ears[1].meanwhile = fail
    world.deliver(order(1, WALLETS[:3]))
    world.deliver(order(2, WALLETS[:3]))
    assert [heard(ears[0]), heard(ears[2])] == [[1, 2]] * 2
    assert ears[1].ended[0] == Reason.INTERNAL and [str(each) for each in world.crashes][:1] == ["a fault of ours"]
    assert [wallets for _, wallets, _ in world.delivered] == [[WALLETS[0], WALLETS[2]]] * 2


async def test_more_than_may_wait_is_handed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SLICE_S", 0.0)
    monkeypatch.setattr(room, "MOST_WAITING", 3)
    world = World()
    ears = world.ears(WALLETS)
    for commit_no in range(1, 6):
        world.deliver(order(commit_no, WALLETS))
        assert len(world.fanout._jobs) <= 3
    await settled(world)
    assert [heard(ear) for ear in ears] == [[1, 2, 3, 4, 5]] * len(ears)


async def test_a_slice_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    world = World()
    ears = world.ears(WALLETS)

    def take_long() -> None:
        clock[0] += room.SLICE_S / 40

    for ear in ears:
        ear.meanwhile = take_long
    world.deliver(order(1, WALLETS))
    assert sum(bool(ear.heard) for ear in ears) == 2 * room.LOOK_EVERY
    await settled(world)
    assert all(ear.heard for ear in ears)


places = st.lists(st.integers(0, 5), unique=True, max_size=6)


@given(turns=st.lists(st.tuples(places, places), min_size=1, max_size=8))
def test_however_wallets_are_grouped_each_gets_all_that_is_its_own_in_order(
    turns: list[tuple[list[int], list[int]]],
) -> None:
    orders = []
    for commit_no, (first, second) in enumerate(turns, 1):
        groups = [[WALLETS[at] for at in first], [WALLETS[at] for at in second if at not in first]]
        orders.append(order(commit_no, *[group for group in groups if group]))
    jobs = divide(orders, [b""] * len(orders))
    found: dict[Account, list[tuple[int, str]]] = {}
    for job in jobs:
        for account in job.accounts:
            assert account not in found, "a wallet in two jobs could get its messages out of order"
            found[account] = [(message.commit_no, message.verdict) for message in job.messages]
    expected: dict[Account, list[tuple[int, str]]] = {}
    for each in orders:
        for group in each.groups:
            for account in group.accounts:
                expected.setdefault(account, []).append((each.commit_no, group.verdict))
    assert {account: given for account, given in found.items() if given} == expected
    assert all(isinstance(message, Message) for job in jobs for message in job.messages)
