"""Kept sessions and places are bounded."""

from pushmesh_node.delivery.mqtt.registry import KeptSession, KeptSessions, Places
from pushmesh_node.delivery.mqtt.subscriptions import Subscriptions
from pushmesh_protocol.types import Account

ALICE = Account(b"\x00" + b"\xaa" * 20)


def a_session(expires_ms: int = 1_000) -> KeptSession:
    return KeptSession(Subscriptions(1), 0, expires_ms)


def test_a_session_is_found_once_and_by_its_own_client() -> None:
    kept, session = KeptSessions(10), a_session()
    kept.keep((ALICE, "phone"), session)
    assert kept.take((ALICE, "laptop"), 0) is None
    assert kept.take((ALICE, "phone"), 999) is session
    assert kept.take((ALICE, "phone"), 999) is None


def test_a_session_whose_time_is_over_is_not_found() -> None:
    kept = KeptSessions(10)
    kept.keep((ALICE, "phone"), a_session(1_000))
    assert kept.take((ALICE, "phone"), 1_000) is None


def test_past_the_limit_the_one_left_longest_ago_goes() -> None:
    kept = KeptSessions(2)
    for name in ("a", "b", "a", "c"):
        kept.keep((ALICE, name), a_session())
    assert kept.take((ALICE, "b"), 0) is None
    assert kept.take((ALICE, "a"), 0) is not None


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
