import asyncio

from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.pumping import pump
from pushmesh_node.delivery.session import Mark, Marker, Portion, Session, SessionLimits
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.consumer import Seen
from support.fake_inboxes import FakeInboxes, a_notification, a_principal


async def test_what_was_written_is_counted_and_the_end_told_with_its_reason() -> None:
    inboxes, seen = FakeInboxes(), Seen()
    sent = inboxes.commit(a_notification(1), a_notification(2))
    session = Session(inboxes, a_principal(), Start(0))

    async def write(batch: Portion) -> None:
        seen.take(batch)
        if isinstance(batch, Marker):
            session.end(Reason.DRAINING, "the node stops")

    ended = await pump(session, inboxes, "test", write)

    assert ended == Marker(Mark.ENDED, 2, Reason.DRAINING, "the node stops")
    assert seen.commits == [1, 2]
    assert inboxes.handed_over == [("test", message.envelope.id) for message in sent]
    assert inboxes.listeners == []


async def test_it_ends_a_consumer_that_takes_no_bytes_and_does_not_count_them() -> None:
    inboxes = FakeInboxes()
    inboxes.commit(a_notification(1))

    async def write(batch: Portion) -> None:
        await asyncio.Event().wait()

    session = Session(inboxes, a_principal(), Start(0), limits=SessionLimits(write_s=0.01))
    ended = await pump(session, inboxes, "test", write)
    assert ended.reason == Reason.SLOW_CONSUMER
    assert inboxes.handed_over == []
    assert inboxes.listeners == []


async def test_a_store_that_failed_is_the_end_with_its_reason() -> None:
    inboxes = FakeInboxes(broken=Denied(Reason.STORE_FAILED, "disk"))
    inboxes.commit(a_notification(1))

    async def write(batch: Portion) -> None:
        raise AssertionError("nothing can be read")

    ended = await pump(Session(inboxes, a_principal(), Start(0)), inboxes, "test", write)
    assert (ended.mark, ended.reason) == (Mark.ENDED, Reason.STORE_FAILED)
