import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from pushmesh_node.app import unread as room
from pushmesh_node.app.unread import FRESH_MS, PAGE, Unread
from pushmesh_node.delivery.contract import Page
from pushmesh_node.delivery.wallet_state import MOST_UNREAD, ReadState
from pushmesh_node.engine.answers import Principal
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import UnixMs
from support.fake_inboxes import FakeInboxes, a_notification, a_principal

ME = a_principal()


@dataclass
class World:
    """An inbox, a clock, how long a page takes, and how many were read."""

    inboxes: FakeInboxes = field(default_factory=FakeInboxes)
    clock_ms: int = 1_000
    page_ms: int = 0
    pages: int = 0

    def a_counter(self) -> Unread:
        return Unread(self.read, lambda: UnixMs(self.clock_ms))

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        self.pages += 1
        self.clock_ms += self.page_ms
        return await self.inboxes.read(principal, after, before, limit)


async def test_what_was_not_read_is_counted_and_what_was_is_not() -> None:
    world = World()
    world.inboxes.commit(*(a_notification(number) for number in range(10)))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState()) == 10
    assert await unread.count(ME, ReadState(3)) == 7
    assert await unread.count(ME, ReadState(3, (5, 9))) == 5
    assert await unread.count(ME, ReadState(10)) == 0
    assert world.pages == 1


async def test_what_came_or_went_meanwhile_is_seen_a_second_later() -> None:
    world = World()
    world.inboxes.commit(a_notification(1), a_notification(2))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState(1)) == 1
    world.inboxes.commit(a_notification(3), a_notification(4))
    del world.inboxes.messages[1]  # taken back
    world.clock_ms += FRESH_MS
    assert await unread.count(ME, ReadState(1)) == 2


async def test_a_place_that_lies_lower_is_counted_anew() -> None:
    world = World()
    world.inboxes.commit(*(a_notification(number) for number in range(5)))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState(4)) == 1
    assert await unread.count(ME, ReadState(2)) == 3


async def test_nobody_counts_beyond_the_most_and_reading_one_after_the_other_costs_no_new_count() -> None:
    world = World()
    world.inboxes.page_looks = 10_000
    world.inboxes.commit(*(a_notification(number % 50) for number in range(MOST_UNREAD + 3 * room.SPARE)))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState()) == MOST_UNREAD
    pages = world.pages
    assert pages == -(-(MOST_UNREAD + room.SPARE) // PAGE)
    for number in range(1, room.SPARE):
        assert await unread.count(ME, ReadState(number)) == MOST_UNREAD
    assert world.pages == pages
    assert await unread.count(ME, ReadState(2 * room.SPARE + 1)) == MOST_UNREAD
    assert await unread.count(ME, ReadState(3 * room.SPARE + 10)) == MOST_UNREAD - 10


async def test_retractions_are_no_news_to_read() -> None:
    world = World()
    note, other = world.inboxes.commit(a_notification(1), a_notification(2))
    world.inboxes.messages = [note, replace(other, envelope=replace(other.envelope, kind=Kind.RETRACTION))]
    assert await world.a_counter().count(ME, ReadState()) == 1


async def test_many_who_ask_at_once_are_told_of_one_count() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    unread = world.a_counter()
    assert await asyncio.gather(*(unread.count(ME, ReadState()) for _ in range(50))) == [1] * 50
    assert world.pages == 1


async def test_who_asks_while_a_long_count_goes_on_is_told_the_same() -> None:
    world = World(page_ms=2 * FRESH_MS)
    world.inboxes.commit(*(a_notification(number) for number in range(3 * PAGE)))
    unread = world.a_counter()
    assert await asyncio.gather(*(unread.count(ME, ReadState()) for _ in range(5))) == [3 * PAGE] * 5
    assert world.pages == 3
    world.clock_ms += 3 * 2 * FRESH_MS - 1  # as long as it took
    assert await unread.count(ME, ReadState()) == 3 * PAGE
    assert world.pages == 3
    world.clock_ms += 1
    assert await unread.count(ME, ReadState()) == 3 * PAGE
    assert world.pages == 6


async def test_a_clock_that_went_back_makes_no_count_last() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState()) == 1
    world.clock_ms -= 500
    world.inboxes.commit(a_notification(2))
    assert await unread.count(ME, ReadState()) == 2


async def test_an_inbox_of_which_nearly_all_is_held_is_not_looked_through_without_end() -> None:
    world = World()
    world.inboxes.page_looks = 1
    world.inboxes.commit(a_notification(1), *[None] * (2 * room.MOST_PAGES), a_notification(2))
    unread = world.a_counter()
    assert await unread.count(ME, ReadState()) == 1
    assert await unread.count(ME, ReadState()) == 1
    assert world.pages == room.MOST_PAGES
