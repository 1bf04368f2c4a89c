from collections.abc import Sequence

from pushmesh_node.delivery.contract import Batch, Message, TopicFilter
from pushmesh_protocol.accounts import Topic
from support.fake_inboxes import DAPP, a_message, a_notification


def test_a_filter_wants_its_topics_and_none_is_all() -> None:
    alerts = TopicFilter(frozenset([Topic(DAPP, "alerts")]))
    assert alerts.wants(a_notification(1))
    assert not alerts.wants(a_notification(1, "news"))
    assert not TopicFilter(frozenset()).wants(a_notification(1))
    assert TopicFilter(None).wants(a_notification(1))


def test_each_form_of_a_batch_is_made_once_for_all_that_get_it() -> None:
    made: list[Sequence[Message]] = []

    def make(messages: Sequence[Message]) -> bytes:
        made.append(messages)
        return b"form %d" % len(made)

    batch = Batch([a_message(4), a_message(7)])
    assert [batch.encoded(form, make) for form in ("json", "frames", "json")] == [b"form 1", b"form 2", b"form 1"]
    assert made == [batch.messages, batch.messages]
    assert (batch.commit_no, batch.frame_bytes) == (7, sum(len(each.frame) for each in batch.messages))


def test_a_batch_knows_the_place_after_all_of_it_whatever_came_late() -> None:
    assert Batch([a_message(9), a_message(2)]).commit_no == 9
