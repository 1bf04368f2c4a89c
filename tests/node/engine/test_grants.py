from typing import Any

from pushmesh_node.engine.grants import Grants
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS, GRANT_RIDES_MS
from pushmesh_protocol.timestamps import timestamp_of
from support.bodies import a_network
from support.envelopes import ALICE, ISSUED_AT, an_envelope

NETWORK = a_network()


def a_grant(seq: int = 1, **changes: Any) -> Envelope:
    return an_envelope(NETWORK, Kind.GRANT, ALICE, seq=seq, scopes=[4], **changes)


def known(*grants: Envelope) -> Grants:
    found = Grants(NETWORK)
    for grant in grants:
        found.add(grant)
    return found


def test_a_grant_rides_once_and_only_while_it_is_young() -> None:
    first, second = a_grant(1), a_grant(2)
    grants = known(first, second)
    assert grants.ride(first.id, ISSUED_AT) == first
    assert grants.ride(first.id, ISSUED_AT) is None
    assert grants.ride(second.id, ISSUED_AT + GRANT_RIDES_MS) is None
    assert grants.ride(second.id, ISSUED_AT + GRANT_RIDES_MS - 1) == second
    assert grants.ride(b"\x01" * 32, ISSUED_AT) is None


def test_what_rode_with_others_does_not_ride_again() -> None:
    grant = a_grant()
    grants = known(grant)
    grants.ridden.update([grant.id])
    assert grants.ride(grant.id, ISSUED_AT) is None


def test_a_grant_is_found_long_after_it_rode_and_until_nothing_that_it_let_sign_can_live() -> None:
    grant = a_grant(expires_at=ISSUED_AT + DAY_MS)
    grants = known(grant)
    last_ms = timestamp_of(NETWORK, grant)
    assert last_ms > grant.body.expires_at
    grants.sweep(last_ms - 1)
    assert grants.find(grant.id) == grant
    grants.sweep(last_ms)
    assert (grants.find(grant.id), len(grants)) == (None, 0)


def test_a_grant_that_comes_twice_is_one_and_goes_once() -> None:
    grant = a_grant()
    grants = known(grant, grant)
    assert len(grants) == 1
    grants.sweep(timestamp_of(NETWORK, grant))
    assert len(grants) == 0
