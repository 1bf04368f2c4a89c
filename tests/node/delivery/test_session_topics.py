"""Topics of a session that change while it lasts."""

import asyncio
from contextlib import aclosing

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pushmesh_node.delivery.contract import Message, Page
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import MOST_RETURNS, Session, SessionLimits
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.accounts import Topic
from support.consumer import Seen, read_until_live
from support.fake_inboxes import DAPP, FakeInboxes, a_notification, a_principal

NAMES = ("alerts", "news", "loans")
ALERTS, NEWS, LOANS = (Topic(DAPP, name) for name in NAMES)


def a_mixed_inbox(count: int) -> FakeInboxes:
    """Alerts, news, loans, alerts ..., so that commit number n has topic (n - 1) mod 3."""
    inboxes = FakeInboxes()
    inboxes.commit(*(a_notification(number, NAMES[number % 3]) for number in range(count)))
    return inboxes


async def test_an_added_topic_is_caught_up_and_nothing_comes_twice() -> None:
    inboxes, seen = a_mixed_inbox(12), Seen()
    with Session(inboxes, a_principal(), Start(0), topics=frozenset([ALERTS])) as session:
        await read_until_live(session, seen)
        assert seen.commits == [1, 4, 7, 10]
        session.choose(frozenset([ALERTS, NEWS]), since=4)
        inboxes.commit(a_notification(13), a_notification(14, "news"), a_notification(15, "loans"))
        await read_until_live(session, seen)
        assert seen.commits[4:] == [5, 8, 11, 13, 14]
        assert (session.position, session.given, session._given) == (15, 15, ())


async def test_while_it_catches_up_what_was_given_can_still_be_acknowledged() -> None:
    inboxes, seen = a_mixed_inbox(12), Seen()
    with Session(inboxes, a_principal(), Start(0), topics=frozenset([ALERTS])) as session:
        await read_until_live(session, seen)
        session.choose(frozenset([ALERTS, NEWS]), since=0)
        assert (session.position, session.given) == (0, 12)


async def test_without_a_cursor_an_added_topic_begins_now() -> None:
    inboxes, seen = a_mixed_inbox(12), Seen()
    with Session(inboxes, a_principal(), Start(0), topics=frozenset([ALERTS])) as session:
        await read_until_live(session, seen)
        session.choose(frozenset([ALERTS, NEWS]))
        inboxes.commit(a_notification(14, "news"))
        async with aclosing(session.batches()) as batches:
            seen.take(await anext(batches))
    assert seen.commits == [1, 4, 7, 10, 13]


async def test_all_but_some_topics() -> None:
    inboxes, seen = a_mixed_inbox(6), Seen()
    with Session(inboxes, a_principal(), Start(0)) as session:
        session.choose(None, without=frozenset([NEWS]))
        await read_until_live(session, seen)
        assert seen.commits == [1, 3, 4, 6]
        session.choose(None, since=0)
        await read_until_live(session, seen)
        assert seen.commits[4:] == [2, 5]


async def test_a_token_catches_up_no_topic_but_its_own() -> None:
    inboxes, seen = a_mixed_inbox(6), Seen()
    mine = a_principal(topics=frozenset([ALERTS]))
    with Session(inboxes, mine, Start(None), topics=frozenset()) as session:
        session.choose(None, since=0)
        await read_until_live(session, seen)
    assert seen.commits == [1, 4]


async def test_going_back_again_and_again_is_bounded() -> None:
    inboxes = a_mixed_inbox(6)
    with Session(inboxes, a_principal(), Start(None), topics=frozenset([ALERTS])) as session:
        for number in range(MOST_RETURNS):
            session.choose(frozenset([ALERTS, NEWS]), since=number % 2)
        with pytest.raises(Denied, match="rate-limited"):
            session.choose(frozenset([LOANS]), since=0)
        seen = Seen()
        await read_until_live(session, seen)
        assert set(seen.commits) <= {1, 2, 4, 5}, "what was refused changed nothing"


async def test_a_page_that_was_under_way_when_topics_were_added_skips_nothing() -> None:
    inboxes, seen, gate, asked = a_mixed_inbox(9), Seen(), asyncio.Event(), asyncio.Event()
    read = inboxes.read

    async def slow(principal: Principal, after: int, before: int | None, limit: int) -> Page:
        if after >= 3:
            asked.set()
            await gate.wait()
        return await read(principal, after, before, limit)

    inboxes.read = slow  # type: ignore[method-assign]  # to hold a page back
    limits = SessionLimits(page_messages=3)
    with Session(inboxes, a_principal(), Start(0), topics=frozenset([ALERTS]), limits=limits) as session:
        reading = asyncio.create_task(read_until_live(session, seen))
        await asked.wait()
        session.choose(frozenset([ALERTS, NEWS]), since=0)
        gate.set()
        await reading
    assert seen.commits == [1, 2, 4, 5, 7, 8]


adds = st.tuples(st.just("add"), st.sampled_from([1, 2]), st.integers(0, 30))
steps = st.one_of(
    adds,
    st.tuples(st.just("commit"), st.integers(1, 5), st.just(0)),
    st.tuples(st.just("turns"), st.integers(1, 8), st.just(0)),
)


@given(
    steps=st.lists(steps, max_size=20),
    pauses=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    queue=st.integers(1, 4),
    page=st.integers(1, 4),
    looks=st.integers(1, 5),
    start=st.integers(0, 6),
)
def test_whenever_topics_are_added_each_message_from_their_cursor_on_comes_once_and_in_order(
    steps: list[tuple[str, int, int]], pauses: list[int], queue: int, page: int, looks: int, start: int
) -> None:
    asyncio.run(run(steps, pauses, SessionLimits(queue_messages=queue, page_messages=page), looks, start))


async def run(
    steps: list[tuple[str, int, int]], pauses: list[int], limits: SessionLimits, looks: int, start: int
) -> None:
    inboxes, seen = a_mixed_inbox(9), Seen()
    inboxes.page_looks = looks
    begins: dict[str, int] = {"alerts": start}
    done = asyncio.Event()

    async def consume() -> None:
        turn = 0
        async with aclosing(session.batches()) as batches:
            async for batch in batches:
                seen.take(batch)
                if session.position == inboxes.last_commit and not session._given:
                    done.set()
                turn += 1
                for _ in range(pauses[turn % len(pauses)]):
                    await asyncio.sleep(0)

    with Session(inboxes, a_principal(), Start(start), topics=frozenset([ALERTS]), limits=limits) as session:
        consumer = asyncio.create_task(consume())
        for what, number, since in steps:
            if what == "commit":
                inboxes.commit(*(a_notification(each, NAMES[each % 3]) for each in range(number)))
            elif what == "turns":
                for _ in range(number):
                    await asyncio.sleep(0)
            elif NAMES[number] not in begins:
                begins[NAMES[number]] = min(since, session.position)  # a consumer knows no later cursor
                chosen = frozenset(Topic(DAPP, name) for name in begins)
                session.choose(chosen, since=begins[NAMES[number]])
        done.clear()
        inboxes.commit(a_notification(0))
        async with asyncio.timeout(20):
            await done.wait()
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
    for name in NAMES:
        first = begins.get(name, inboxes.last_commit)
        expected = [each.commit_no for each in inboxes.messages if _name(each) == name and each.commit_no > first]
        got = [number for number in seen.commits if _name(inboxes.messages[number - 1]) == name]
        assert got == expected, (name, begins)


def _name(message: Message) -> str:
    assert message.envelope.topic is not None
    return message.envelope.topic.name
