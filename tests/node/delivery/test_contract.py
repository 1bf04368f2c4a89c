from pushmesh_node.delivery.contract import TopicFilter
from pushmesh_protocol.accounts import Topic
from support.fake_inboxes import DAPP, a_notification


def test_a_filter_wants_its_topics_and_none_is_all() -> None:
    alerts = TopicFilter(frozenset([Topic(DAPP, "alerts")]))
    assert alerts.wants(a_notification(1))
    assert not alerts.wants(a_notification(1, "news"))
    assert not TopicFilter(frozenset()).wants(a_notification(1))
    assert TopicFilter(None).wants(a_notification(1))
