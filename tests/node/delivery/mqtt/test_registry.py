"""Kept sessions and places are bounded."""

from dataclasses import replace

from pushmesh_node.delivery.mqtt.registry import Client, KeptSession, KeptSessions, Places, client_of
from pushmesh_node.delivery.mqtt.subscriptions import Subscriptions
from pushmesh_node.delivery.mqtt.window import InFlight
from pushmesh_node.engine.answers import Permission, Principal
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account

ALICE = Account(b"\x00" + b"\xaa" * 20)


PRINCIPAL = Principal(ALICE, frozenset(Permission), None, None, None)


def client(name: str) -> Client:
    return client_of(PRINCIPAL, name)


def a_session(expires_ms: int = 1_000) -> KeptSession:
    return KeptSession(Subscriptions(1), InFlight((), 1), 0, expires_ms)


def test_a_session_is_found_once_and_by_its_own_client() -> None:
    kept, session = KeptSessions(10), a_session()
    kept.keep(client("phone"), session)
    assert kept.take(client("laptop"), 0) is None
    assert kept.take(client("phone"), 999) is session
    assert kept.take(client("phone"), 999) is None


def test_a_session_whose_time_is_over_is_not_found() -> None:
    kept = KeptSessions(10)
    kept.keep(client("phone"), a_session(1_000))
    assert kept.take(client("phone"), 1_000) is None


def test_past_the_limit_the_one_left_longest_ago_goes() -> None:
    kept = KeptSessions(2)
    for name in ("a", "b", "a", "c"):
        kept.keep(client(name), a_session())
    assert kept.take(client("b"), 0) is None
    assert kept.take(client("a"), 0) is not None


def test_places_are_bounded_in_all_and_per_host() -> None:
    places = Places(3, 2)
    assert [places.take(host) for host in "aaabc"] == [True, True, False, True, False]
    places.give_back("a")
    assert places.take("c")
    assert not places.take("b")


def test_all_addresses_of_one_ipv6_customer_are_one_place() -> None:
    places = Places(10, 1)
    assert [places.take(f"2001:db8:1:{net}::{host}") for net, host in ((2, 1), (2, 2), (3, 1))] == [True, False, True]
    places.give_back("2001:db8:1:2::1")
    assert places.take("2001:db8:1:2::2")


def test_a_token_that_opens_less_has_clients_of_its_own() -> None:
    one_topic = replace(PRINCIPAL, topics=frozenset({Topic(ALICE, "alerts")}))
    publisher = replace(PRINCIPAL, permissions=frozenset({Permission.PUBLISH}))
    stranger = replace(PRINCIPAL, account=Account(b"\x00" + b"\xbb" * 20))
    clients = {client_of(each, "phone") for each in (PRINCIPAL, one_topic, publisher, stranger)}
    assert len(clients) == 4
    assert client_of(replace(PRINCIPAL, token=b"\x01" * 32), "phone") == client("phone"), "by a newer token, the same"
