from contextlib import ExitStack, aclosing

import pytest

from pushmesh_node.delivery.consumers import Consumers
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import Mark, Marker, Session
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, FakeInboxes, a_principal


def a_session(inboxes: FakeInboxes) -> Session:
    return Session(inboxes, a_principal(), Start(None))


def test_a_wallet_may_have_so_many_streams_and_room_comes_back() -> None:
    inboxes, consumers = FakeInboxes(), Consumers(per_account=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(consumers.admit(a_session(inboxes)))
        assert len(consumers) == 2
        with pytest.raises(Denied) as caught, consumers.admit(a_session(inboxes)):
            raise AssertionError("a third one must not be admitted")
        assert caught.value.reason is Reason.TOO_MANY_CONNECTIONS
        with consumers.admit(Session(inboxes, a_principal(DAPP), Start(None))):
            assert len(consumers) == 3
    assert len(consumers) == 0
    with consumers.admit(a_session(inboxes)):
        assert len(consumers) == 1


async def test_a_node_that_stops_ends_every_session_and_admits_no_more() -> None:
    inboxes, consumers = FakeInboxes(), Consumers()
    session = a_session(inboxes)
    with consumers.admit(session), session:
        consumers.drain()
        async with aclosing(session.batches()) as batches:
            last = [batch async for batch in batches][-1]
    assert isinstance(last, Marker)
    assert (last.mark, last.reason) == (Mark.ENDED, Reason.DRAINING)
    with pytest.raises(Denied) as caught, consumers.admit(a_session(inboxes)):
        raise AssertionError("a stopping node must not admit")
    assert caught.value.reason is Reason.DRAINING


def test_who_has_no_session_is_told_once_that_the_node_stops() -> None:
    consumers, told = Consumers(), []
    with consumers.watch(lambda: told.append("gone")):
        pass
    with consumers.watch(lambda: told.append("there")):
        consumers.drain()
        consumers.drain()
    with consumers.watch(lambda: told.append("late")):
        pass
    assert told == ["there", "late"]
