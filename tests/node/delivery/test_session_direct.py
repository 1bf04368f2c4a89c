"""A session whose transport takes live messages at once while it has room."""

import asyncio
from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import given

from pushmesh_node.delivery.contract import Batch, WalletEvent
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import DEFAULT_LIMITS, Mark, Marker, Session, SessionLimits
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason
from support.consumer import POOL, Seen, step
from support.fake_inboxes import DAPP, FakeInboxes, a_notification, a_principal


@dataclass
class Direct:
    """A consumer as a direct writer has it: takes at once while it has room, else by a task, which may be slow."""

    session: Session
    seen: Seen
    room: bool = True
    task: asyncio.Task[None] | None = None
    direct: int = 0

    def write_now(self, batch: Batch) -> bool:
        if not self.room:
            return False
        self.direct += 1
        self.seen.take(batch.messages)
        return True

    def wake(self) -> None:
        assert self.task is None, "one task at a time"
        self.task = asyncio.create_task(self.deliver())

    async def deliver(self) -> None:
        while (portion := await self.session.next()) is not None:
            self.seen.take(portion)
            if isinstance(portion, Marker) and portion.mark is Mark.ENDED:
                break
            while not self.room:  # noqa: ASYNC110  # the room comes from the test's own turns
                await asyncio.sleep(0)
        self.task = None

    async def rest(self) -> None:
        while self.task is not None:  # noqa: ASYNC110  # the task may be followed by another one
            await asyncio.sleep(0)


def a_direct_one(inboxes: FakeInboxes, start: int | None = None, limits: SessionLimits = DEFAULT_LIMITS) -> Direct:
    session = Session(inboxes, a_principal(), Start(start), limits=limits)
    session.__enter__()
    consumer = Direct(session, Seen())
    session.write_through(consumer.write_now, consumer.wake)
    consumer.wake()
    return consumer


async def test_a_live_consumer_with_room_is_written_to_without_a_task() -> None:
    inboxes = FakeInboxes()
    consumer = a_direct_one(inboxes)
    await consumer.rest()
    inboxes.commit(a_notification(1), a_notification(2))
    assert (consumer.seen.commits, consumer.task, consumer.session.position) == ([1, 2], None, 2)
    assert [id_ for _, id_ in inboxes.handed_over] == [a_notification(1).id, a_notification(2).id]


async def test_a_paused_consumer_gets_nothing_directly_and_everything_later_in_order() -> None:
    inboxes = FakeInboxes()
    consumer = a_direct_one(inboxes)
    await consumer.rest()
    consumer.room = False
    inboxes.commit(a_notification(1))
    inboxes.commit(a_notification(2))
    assert (consumer.seen.commits, consumer.direct) == ([], 0)
    consumer.room = True
    inboxes.commit(a_notification(3))
    assert consumer.seen.commits == [], "what is queued goes first"
    await consumer.rest()
    inboxes.commit(a_notification(4))
    assert (consumer.seen.commits, consumer.direct) == ([1, 2, 3, 4], 1)


async def test_what_is_chosen_is_written_at_once_and_the_rest_moves_the_cursor() -> None:
    inboxes = FakeInboxes()
    consumer = a_direct_one(inboxes)
    await consumer.rest()
    consumer.session.choose(frozenset([Topic(DAPP, "news")]))
    inboxes.commit(a_notification(1), a_notification(2, "news"))
    assert (consumer.seen.commits, consumer.session.position) == ([2], 2)
    inboxes.commit(a_notification(3))
    assert (consumer.seen.commits, consumer.session.position, consumer.task) == ([2], 3, None)
    assert [id_ for _, id_ in inboxes.handed_over] == [a_notification(2, "news").id]


async def test_news_and_the_end_wake_a_resting_consumer() -> None:
    inboxes = FakeInboxes()
    consumer = a_direct_one(inboxes)
    await consumer.rest()
    consumer.session.told(WalletEvent("acked", "phone", {}))
    inboxes.commit(a_notification(1))
    await consumer.rest()
    assert ([event.key for event in consumer.seen.news], consumer.seen.commits) == (["phone"], [1])
    consumer.session.end(Reason.DRAINING, "the node stops")
    inboxes.commit(a_notification(2))
    await consumer.rest()
    assert (consumer.seen.marks[-1], consumer.seen.commits) == (Mark.ENDED, [1])


direct_step = st.one_of(
    step.filter(lambda each: each[0] != "reconnect"),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("told"), st.just(0)),
    st.tuples(st.just("reconnect"), st.just(0)),
)


@given(
    steps=st.lists(direct_step, max_size=30),
    queue=st.integers(1, 4),
    page=st.integers(1, 4),
    looks=st.integers(1, 5),
    start=st.integers(0, 3),
)
def test_written_at_once_or_by_a_task_each_message_comes_once_and_in_order(
    steps: list[tuple[str, int]], queue: int, page: int, looks: int, start: int
) -> None:
    asyncio.run(run_direct(steps, SessionLimits(queue_messages=queue, page_messages=page), looks, start))


async def run_direct(steps: list[tuple[str, int]], limits: SessionLimits, looks: int, start: int) -> None:
    """A consumer that has room or not, ends and comes again, beside a node that commits as it likes."""
    inboxes = FakeInboxes(page_looks=looks)
    inboxes.commit(*POOL[:3])
    found: list[int] = []
    consumer = a_direct_one(inboxes, start, limits)
    for what, count in [*steps, ("resume", 0)]:
        if what == "commit":
            inboxes.commit(*POOL[:count])
        elif what == "void":
            inboxes.commit(*[None] * count)
        elif what in ("pause", "resume"):
            consumer.room = what == "resume"
        elif what == "told":
            consumer.session.told(WalletEvent("acked", "phone", {}))
        elif what == "reconnect":
            if consumer.task is not None:
                consumer.task.cancel()
                await asyncio.gather(consumer.task, return_exceptions=True)
            consumer.session.__exit__(None, None, None)
            found += consumer.seen.commits
            consumer = a_direct_one(inboxes, consumer.session.position, limits)
        for _ in range(count if what == "turns" else 0):
            await asyncio.sleep(0)
    inboxes.commit(POOL[0])
    async with asyncio.timeout(20):
        await consumer.rest()
    found += consumer.seen.commits
    assert found == [message.commit_no for message in inboxes.messages if message.commit_no > start]
    assert consumer.session.position == inboxes.last_commit
    assert consumer.session.is_resting
