from collections.abc import Sequence

from pushmesh_node.engine.audience import Listeners
from pushmesh_node.engine.subscriptions import Subscriptions
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, TOPIC, an_envelope

NETWORK = a_network()


def connected(*accounts: Account) -> Listeners:
    listeners = Listeners()
    for account in accounts:
        listeners.come(account)
    return listeners


def subscribed(*accounts: Account) -> Subscriptions:
    subscriptions = Subscriptions(Authority())
    for account in accounts:
        subscriptions.add(an_envelope(NETWORK, Kind.SUBSCRIPTION, account, topic=TOPIC))
    return subscriptions


def concerned(listeners: Listeners, subscriptions: Subscriptions) -> Sequence[Account]:
    return sorted(listeners.concerned(TOPIC, None, subscriptions))


def test_a_wallet_listens_until_its_last_connection_left() -> None:
    listeners = connected(BOB, BOB)
    listeners.leave(BOB)
    assert BOB in listeners
    listeners.leave(BOB)
    assert BOB not in listeners
    assert len(listeners) == 0


def test_a_connection_that_never_came_leaves_nothing_behind() -> None:
    listeners = connected(BOB)
    listeners.leave(CAROL)
    assert (BOB in listeners, CAROL in listeners, len(listeners)) == (True, False, 1)
    listeners.come(CAROL)
    assert CAROL in listeners


def test_a_list_concerns_those_on_it_who_listen() -> None:
    assert list(connected(ALICE, CAROL).concerned(TOPIC, (BOB, CAROL), subscribed(ALICE))) == [CAROL]


def test_a_broadcast_concerns_subscribers_who_listen() -> None:
    few, many = connected(BOB), connected(ALICE, BOB, CAROL)
    assert concerned(few, subscribed(ALICE, BOB, CAROL)) == [BOB]
    assert concerned(many, subscribed(BOB)) == [BOB]
    assert concerned(many, subscribed()) == concerned(connected(), subscribed(BOB)) == []


def test_what_has_no_topic_or_an_empty_list_concerns_nobody() -> None:
    assert list(connected(ALICE).concerned(None, None, subscribed(ALICE))) == []
    assert list(connected(ALICE).concerned(TOPIC, (), subscribed(ALICE))) == []
