import pytest

from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.live_topics import LiveTopics, readable
from pushmesh_node.delivery.session import Session
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_node.http_kit import MAX_TOPICS
from pushmesh_protocol.accounts import Topic, display_topic
from support.fake_inboxes import DAPP, FakeInboxes, a_principal

ALERTS, NEWS = Topic(DAPP, "alerts"), Topic(DAPP, "news")
STORE = b"\xab" * 16


def a_choice(*topics: Topic, principal: Principal | None = None) -> LiveTopics:
    chosen = frozenset(topics) or None
    return LiveTopics(Session(FakeInboxes(), principal or a_principal(), Start(None), topics=chosen), chosen)


def test_each_topic_that_cannot_be_read_has_its_own_reason() -> None:
    texts = [display_topic(ALERTS), display_topic(NEWS), "nonsense", ""]
    found = readable(a_principal(topics=frozenset([ALERTS])), texts)
    assert found.topics == frozenset([ALERTS])
    assert [(each["topic"], each["reason"]) for each in found.complaints()] == [
        (display_topic(NEWS), "forbidden"),
        ("nonsense", "bad-request"),
        ("", "bad-request"),
    ]


def test_nothing_named_is_all_and_too_much_is_refused() -> None:
    assert readable(a_principal(), None).topics is None
    with pytest.raises(Denied, match="bad-request"):
        readable(a_principal(), ["x"] * (MAX_TOPICS + 1))


def test_a_list_grows_and_shrinks() -> None:
    choice = a_choice(ALERTS)
    choice.change([display_topic(NEWS)], [], None, STORE)
    assert choice.as_json() == {"topics": [display_topic(ALERTS), display_topic(NEWS)]}
    choice.change([], [display_topic(ALERTS), display_topic(NEWS)], None, STORE)
    assert choice.as_json() == {"topics": []}


def test_of_all_topics_some_are_left_out() -> None:
    choice = a_choice()
    choice.change([], [display_topic(NEWS), display_topic(ALERTS)], None, STORE)
    choice.change([display_topic(NEWS)], [], None, STORE)
    assert choice.as_json() == {"topics": None, "without": [display_topic(ALERTS)]}


@pytest.mark.parametrize("since", ["yesterday", f"{'cd' * 16}.1"])
def test_a_bad_cursor_changes_nothing(since: str) -> None:
    choice = a_choice(ALERTS)
    with pytest.raises(Denied, match="bad-cursor"):
        choice.change([display_topic(NEWS)], [], since, STORE)
    assert choice.chosen == frozenset([ALERTS])


def test_no_stream_names_more_topics_than_the_most() -> None:
    choice = a_choice(*(Topic(DAPP, f"t{number}") for number in range(MAX_TOPICS)))
    with pytest.raises(Denied, match="bad-request"):
        choice.change([display_topic(NEWS)], [], None, STORE)
    choice.change([display_topic(NEWS)], [display_topic(Topic(DAPP, "t0"))], None, STORE)
