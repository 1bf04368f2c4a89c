from collections.abc import Callable
from contextlib import ExitStack, aclosing
from dataclasses import replace

import pytest

from pushmesh_node.delivery.consumers import Consumers
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import Mark, Marker, Session
from pushmesh_node.engine.answers import Denied, Principal
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


async def test_who_has_no_session_is_told_once_that_the_node_stops() -> None:
    consumers, told = Consumers(), []

    def end_of(name: str) -> Callable[[str, str], None]:
        return lambda reason, _detail: told.append((name, reason))

    with consumers.attend(lambda: None, end_of("gone")):
        pass
    with consumers.attend(lambda: None, end_of("there")):
        consumers.drain()
        consumers.drain()
    with consumers.attend(lambda: None, end_of("late")):
        pass
    assert told == [("there", "draining"), ("late", "draining")]


async def test_connections_end_with_what_they_rest_on_and_no_others_do() -> None:
    inboxes, consumers, told = FakeInboxes(), Consumers(), []
    token = replace(a_principal(), token=b"t")
    listening = Session(inboxes, token, Start(None))
    other = a_session(inboxes)
    who: list[Principal | None] = [None, token]
    with ExitStack() as stack:
        stack.enter_context(consumers.attend(lambda: who[0], lambda *said: told.append(("silent", *said))))
        stack.enter_context(consumers.attend(lambda: who[1], lambda *said: told.append(("logged in", *said))))
        for session in (listening, other):
            stack.enter_context(consumers.admit(session))
        consumers.end(lambda principal: principal.token == b"t", Reason.BAD_TOKEN, "revoked")
        assert told == [("logged in", "bad-token", "revoked")]
        assert (ended(listening), ended(other)) == ("bad-token", None)
        who[0] = token  # it logged in meanwhile
        consumers.end(lambda principal: principal.token == b"t", Reason.BAD_TOKEN, "revoked")
        assert told[-1] == ("silent", "bad-token", "revoked") or told[-2] == ("silent", "bad-token", "revoked")


def ended(session: Session) -> str | None:
    return None if session._ended is None else session._ended.reason


async def test_a_log_in_that_ended_on_its_way_here_gets_no_session() -> None:
    inboxes = FakeInboxes()

    def check(principal: Principal) -> None:
        if principal.token is not None:
            raise Denied(Reason.BAD_TOKEN, "revoked")

    consumers = Consumers(check=check)
    late = replace(a_principal(), token=b"t")
    with pytest.raises(Denied, match="bad-token"), consumers.admit(Session(inboxes, late, Start(None))):
        raise AssertionError("it must not be admitted")
    with pytest.raises(Denied, match="bad-token"):
        consumers.come(Session(inboxes, late, Start(None)), "websocket")
    with pytest.raises(Denied, match="bad-token"), consumers.attend(lambda: late, lambda *_: None):
        raise AssertionError("it must not stay")
    assert len(consumers) == 0
    with consumers.admit(a_session(inboxes)):
        assert consumers.by_transport() == {"rest": 1}
