import pytest

from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.live_topics import LiveTopics
from pushmesh_node.delivery.session import Session
from pushmesh_node.delivery.streams import Streams
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.accounts import Topic
from support.fake_inboxes import DAPP, FakeInboxes, a_principal

NEWS = frozenset([Topic(DAPP, "news")])


def a_stream(principal: Principal) -> LiveTopics:
    return LiveTopics(Session(FakeInboxes(), principal, Start(None)), None)


def test_an_open_stream_is_found_by_its_own_wallet_alone() -> None:
    streams, mine = Streams(), a_stream(a_principal())
    with streams.named(mine) as name, streams.named(a_stream(a_principal())) as other:
        assert name != other
        assert streams.find(name, a_principal()) is mine
        for who in (a_principal(DAPP), a_principal(topics=NEWS)):
            with pytest.raises(Denied, match="not-found"):
                streams.find(name, who)
    with pytest.raises(Denied, match="not-found"):
        streams.find(name, a_principal())


def test_a_token_finds_the_streams_of_its_topics() -> None:
    streams, stream = Streams(), a_stream(a_principal(topics=NEWS))
    with streams.named(stream) as name:
        assert streams.find(name, a_principal(topics=NEWS)) is stream
        with pytest.raises(Denied, match="not-found"):
            streams.find(name, a_principal())
