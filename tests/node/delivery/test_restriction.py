from pushmesh_node.delivery.restriction import restriction_of
from pushmesh_protocol.accounts import Topic
from support.fake_inboxes import DAPP, a_principal

NEWS, ALERTS = Topic(DAPP, "news"), Topic(DAPP, "alerts")


def test_tokens_of_the_same_topics_are_alike_and_no_others() -> None:
    limits = [frozenset[Topic](), frozenset([NEWS]), frozenset([ALERTS]), frozenset([NEWS, ALERTS])]
    found = {restriction_of(a_principal(topics=topics)) for topics in limits}
    assert len(found) == 4
    assert all(len(bytes.fromhex(each)) == 16 for each in found)
    assert restriction_of(a_principal(topics=frozenset([ALERTS, NEWS]))) in found


def test_whoever_may_read_all_is_not_limited() -> None:
    assert restriction_of(a_principal()) == ""
