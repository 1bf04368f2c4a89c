import asyncio
from contextlib import aclosing

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pushmesh_node.delivery.contract import Batch, Page, WalletEvent
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import (
    MOST_EVENTS,
    Mark,
    Marker,
    Portion,
    Session,
    SessionLimits,
)
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason
from support.consumer import POOL, Seen, read_until_live, step
from support.fake_inboxes import DAPP, FakeInboxes, a_message, a_notification, a_principal

SMALL = SessionLimits(queue_messages=3, page_messages=2)


async def test_a_session_reads_the_store_and_then_says_live() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    inboxes.commit(*(a_notification(number) for number in range(70)))

    with Session(inboxes, a_principal(), Start(5)) as session:
        await read_until_live(session, seen)

    assert seen.commits == list(range(6, 71))
    assert seen.markers == [Marker(Mark.LIVE, 70)]


async def test_live_messages_queued_together_come_in_one_batch() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None)) as session:
        await read_until_live(session, seen)
        inboxes.commit(a_notification(1))
        inboxes.commit(a_notification(2), a_notification(3))
        async with aclosing(session.batches()) as batches:
            batch = await anext(batches)
    assert not isinstance(batch, Marker | WalletEvent)
    assert [message.commit_no for message in batch] == [1, 2, 3]


async def test_now_means_only_what_comes_after_listening_began() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    inboxes.commit(a_notification(1), a_notification(2))
    with Session(inboxes, a_principal(), Start(None)) as session:
        inboxes.commit(a_notification(3))
        await read_until_live(session, seen)
    assert seen.commits == [3]


async def test_what_is_in_no_inbox_moves_the_cursor_all_the_same() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    inboxes.commit(a_notification(1), None, None)
    with Session(inboxes, a_principal(), Start(0)) as session:
        await read_until_live(session, seen)
        assert session.position == 3
    assert seen.commits == [1]


async def test_a_cursor_past_the_end_starts_at_the_beginning_and_says_so() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    inboxes.commit(a_notification(1))
    with Session(inboxes, a_principal(), Start(99)) as session:
        await read_until_live(session, seen)
    assert seen.commits == [1]
    assert seen.marks == [Mark.GAP, Mark.LIVE]
    assert seen.markers[0].reason == Reason.BAD_CURSOR


async def test_a_full_queue_is_given_up_for_the_store_and_nothing_is_lost() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(0), limits=SMALL) as session:
        await read_until_live(session, seen)
        for number in range(20):
            inboxes.commit(a_notification(number))
        await read_until_live(session, seen)
        assert session.fallbacks == inboxes.fallbacks == 1
    assert seen.commits == list(range(1, 21))
    assert seen.marks == [Mark.LIVE, Mark.LIVE]


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    big = SessionLimits(queue_bytes=2_000)
    with Session(inboxes, a_principal(), Start(None), limits=big) as session:
        await read_until_live(session, seen)
        inboxes.commit(*(a_notification(number, text="x" * 200) for number in range(10)))
        assert session.fallbacks == 1
        await read_until_live(session, seen)
    assert seen.commits == list(range(1, 11))


async def test_a_message_larger_than_the_queue_still_arrives() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None), limits=SessionLimits(queue_bytes=1)) as session:
        await read_until_live(session, seen)
        inboxes.commit(a_notification(1))
        await read_until_live(session, seen)
    assert seen.commits == [1]


async def test_chosen_topics_are_given_and_a_change_sorts_the_queue() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    alerts, news = Topic(DAPP, "alerts"), Topic(DAPP, "news")
    with Session(inboxes, a_principal(), Start(0), topics=frozenset([alerts])) as session:
        inboxes.commit(a_notification(1, "news"), a_notification(2))
        await read_until_live(session, seen)
        inboxes.commit(a_notification(3), a_notification(4, "news"))
        session.choose(frozenset([news]))
        inboxes.commit(a_notification(5, "news"), a_notification(6))
        async with aclosing(session.batches()) as batches:
            seen.take(await anext(batches))
    assert seen.commits == [2, 5]


async def test_a_token_for_some_topics_never_sees_another_whatever_is_chosen() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    alerts, news = Topic(DAPP, "alerts"), Topic(DAPP, "news")
    principal = a_principal(topics=frozenset([alerts]))
    inboxes.commit(a_notification(1, "news"), a_notification(2))
    with Session(inboxes, principal, Start(0), topics=frozenset([alerts, news])) as session:
        session.choose(None)
        await read_until_live(session, seen)
    assert seen.commits == [2]


async def test_after_the_end_nothing_but_the_first_reason_is_given() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    inboxes.commit(a_notification(1))
    with Session(inboxes, a_principal(), Start(0)) as session:
        session.end(Reason.GRANT_REVOKED, "the key was revoked")
        session.end(Reason.DRAINING, "later")
        async with aclosing(session.batches()) as batches:
            async for batch in batches:
                seen.take(batch)
    assert seen.commits == []
    assert [(marker.mark, marker.reason) for marker in seen.markers] == [(Mark.ENDED, Reason.GRANT_REVOKED)]


async def test_an_idle_session_says_so_and_an_end_wakes_it() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None), limits=SessionLimits(idle_s=0.01)) as session:
        async with aclosing(session.batches()) as batches:
            async for batch in batches:
                seen.take(batch)
                if seen.marks[-1] is Mark.IDLE:
                    asyncio.get_running_loop().call_soon(session.end, Reason.DRAINING, "shutting down")
    assert seen.marks[:2] == [Mark.LIVE, Mark.IDLE]
    assert seen.marks[-1] is Mark.ENDED


async def test_a_message_that_was_held_back_comes_late_and_the_cursor_does_not_go_back() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None)) as session:
        await read_until_live(session, seen)
        inboxes.commit(None, a_notification(2))
        session.offer(Batch([a_message(1)]))
        async with aclosing(session.batches()) as batches:
            seen.take(await anext(batches))
        assert session.position == 2
    assert seen.commits == [2, 1]


async def test_leaving_a_session_forgets_it() -> None:
    inboxes = FakeInboxes()
    with Session(inboxes, a_principal(), Start(0)):
        assert len(inboxes.listeners) == 1
    assert inboxes.listeners == []


class SlowStore(FakeInboxes):
    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_store_that_does_not_answer_ends_in_a_timeout() -> None:
    inboxes = SlowStore()
    inboxes.commit(a_notification(1))
    with Session(inboxes, a_principal(), Start(0), limits=SessionLimits(read_s=0.01)) as session:
        with pytest.raises(Denied) as caught:
            await read_until_live(session, Seen())
    assert caught.value.reason is Reason.TIMEOUT


async def test_pages_shrink_and_grow_with_the_size_of_messages() -> None:
    inboxes = FakeInboxes()
    inboxes.commit(*(a_notification(number, text="x" * 200) for number in range(100)))
    sizes: list[int] = []
    with Session(inboxes, a_principal(), Start(0), limits=SessionLimits(page_bytes=3_000)) as session:
        async with aclosing(session.batches()) as batches:
            async for batch in batches:
                if isinstance(batch, Marker | WalletEvent):
                    break
                sizes.append(len(batch))
    assert sum(sizes) == 100
    assert sizes[0] == 32
    assert all(size <= 8 for size in sizes[3:])


async def next_portion(session: Session) -> Portion:
    async with aclosing(session.batches()) as batches:
        return await anext(batches)


async def test_what_is_over_before_its_turn_comes_is_not_given_and_the_cursor_goes_on() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None)) as session:
        await read_until_live(session, seen)
        inboxes.commit(a_notification(1), a_notification(2), a_notification(3))
        inboxes.outdone.add(2)
        seen.take(await next_portion(session))
        assert (seen.commits, session.position) == ([1, 3], 3)
        inboxes.commit(a_notification(4))
        inboxes.now = a_notification(4).body.expires_at
        session.told(WalletEvent("acked", "phone", {"cursor": "x"}))
        assert isinstance(await next_portion(session), WalletEvent)
        assert session.position == 4
    assert seen.commits == [1, 3]


async def test_news_of_the_wallet_come_when_nothing_else_waits_and_the_newest_stands_for_older_ones() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None)) as session:
        session.told(WalletEvent("acked", "phone", {"cursor": "before"}))
        await read_until_live(session, seen)
        inboxes.commit(a_notification(1))
        session.told(WalletEvent("acked", "tablet", {"cursor": "t"}))
        session.told(WalletEvent("acked", "phone", {"cursor": "after"}))
        for _ in range(3):
            seen.take(await next_portion(session))
    assert seen.commits == [1]
    assert [(event.key, event.form["cursor"]) for event in seen.news] == [("tablet", "t"), ("phone", "after")]


async def test_who_asks_is_told_again_that_all_was_given_and_only_once_it_was() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    with Session(inboxes, a_principal(), Start(None)) as session:
        await read_until_live(session, seen)
        session.tell_live()
        inboxes.commit(a_notification(1))
        for _ in range(2):
            seen.take(await next_portion(session))
    assert (seen.commits, seen.markers) == ([1], [Marker(Mark.LIVE, 0), Marker(Mark.LIVE, 1)])


async def test_news_that_nobody_takes_are_bounded_and_the_oldest_goes_first() -> None:
    inboxes = FakeInboxes()
    with Session(inboxes, a_principal(), Start(None)) as session:
        await read_until_live(session, Seen())
        for number in range(MOST_EVENTS + 1):
            session.told(WalletEvent("acked", str(number), {}))
        first = await next_portion(session)
    assert isinstance(first, WalletEvent) and first.key == "1"


@given(
    steps=st.lists(step, max_size=25),
    pauses=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    queue=st.integers(1, 4),
    page=st.integers(1, 4),
    looks=st.integers(1, 5),
    start=st.integers(0, 3),
)
def test_whatever_interleaves_each_message_comes_once_and_in_order(
    steps: list[tuple[str, int]], pauses: list[int], queue: int, page: int, looks: int, start: int
) -> None:
    asyncio.run(run_interleaving(steps, pauses, SessionLimits(queue_messages=queue, page_messages=page), looks, start))


async def run_interleaving(
    steps: list[tuple[str, int]], pauses: list[int], limits: SessionLimits, looks: int, start: int
) -> None:
    """A consumer of changing speed, cut off now and then, beside a node that commits as it likes."""
    inboxes, seen = FakeInboxes(page_looks=looks), Seen()
    inboxes.commit(*POOL[:3])
    cursor = start
    done = asyncio.Event()

    async def consume() -> None:
        nonlocal cursor
        turn = 0
        with Session(inboxes, a_principal(), Start(cursor), limits=limits) as session:
            async with aclosing(session.batches()) as batches:
                async for batch in batches:
                    seen.take(batch)
                    cursor = session.position
                    if cursor == inboxes.last_commit:
                        done.set()
                    turn += 1
                    for _ in range(pauses[turn % len(pauses)]):
                        await asyncio.sleep(0)

    consumer = asyncio.create_task(consume())
    for what, count in steps:
        done.clear()
        if what == "commit":
            inboxes.commit(*POOL[:count])
        elif what == "void":
            inboxes.commit(*[None] * count)
        elif what == "turns":
            for _ in range(count):
                await asyncio.sleep(0)
        else:
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)
            consumer = asyncio.create_task(consume())
    done.clear()
    inboxes.commit(POOL[0])
    async with asyncio.timeout(20):
        await done.wait()
    consumer.cancel()
    await asyncio.gather(consumer, return_exceptions=True)
    assert seen.commits == [message.commit_no for message in inboxes.messages if message.commit_no > start]
    assert inboxes.listeners == []
