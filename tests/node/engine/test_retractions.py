from typing import Any

from pushmesh_node.engine.retractions import Retractions
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import ALICE, BOB, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_note, a_session, an_envelope

NETWORK = a_network()
(TARGET,) = a_note(NETWORK, 1).envelopes
ENDS = TARGET.body.expires_at


def taken_back(author: Any = ALICE, seq: int = 2, **changes: Any) -> Envelope:
    values: dict[str, Any] = {"target": TARGET.id, "expires_at": ENDS, "topic": Topic(author, "alerts")} | changes
    return an_envelope(NETWORK, Kind.RETRACTION, author, seq=seq, **values)


def after(*envelopes: Envelope) -> Retractions:
    found = Retractions(Authority())
    for number, envelope in enumerate(envelopes, 1):
        found.add(envelope, number)
    return found


def test_a_notification_is_taken_back_by_its_author_on_its_topic() -> None:
    assert after().of(TARGET) is None
    assert after(taken_back()).of(TARGET) == taken_back()
    assert after(taken_back()).of(a_note(NETWORK, 5).envelopes[0]) is None
    assert after(taken_back(BOB)).of(TARGET) is None
    assert after(taken_back(topic=Topic(ALICE, "other"))).of(TARGET) is None
    assert TARGET.topic == TOPIC


def test_one_that_expires_before_its_target_has_no_effect() -> None:
    assert after(taken_back(expires_at=ENDS - 1)).of(TARGET) is None
    assert after(taken_back(expires_at=ENDS)).of(TARGET) is not None


def test_the_first_of_several_counts_in_any_order() -> None:
    first, second = taken_back(seq=3), taken_back(seq=2, issued_at=ISSUED_AT + 1)
    assert after(first, second).of(TARGET) == after(second, first).of(TARGET) == first


def test_a_withdrawn_one_gives_way() -> None:
    first, second = taken_back(seq=2), taken_back(seq=3)
    found = after(first, first, second)
    assert len(found) == 2
    assert found.withdraw(first.id)
    assert found.of(TARGET) == second
    assert found.withdraw(second.id)
    assert (found.of(TARGET), len(found)) == (None, 0)
    assert not found.withdraw(second.id)


def test_a_sweep_forgets_what_expired() -> None:
    found = after(taken_back(), taken_back(seq=3, expires_at=NOW + 5), taken_back(seq=4, expires_at=NOW + 6))
    found.withdraw(taken_back(seq=4, expires_at=NOW + 6).id)
    found.sweep(NOW + 4)
    assert len(found) == 2
    found.sweep(NOW + 6)
    assert (len(found), found.of(TARGET)) == (1, taken_back())
    found.sweep(ENDS)
    assert len(found) == 0


def test_the_numbers_of_what_takes_one_back_are_known_until_it_is_let_go() -> None:
    first, second = taken_back(), taken_back(seq=3)
    found = after(first, second, first)
    assert (found.numbers_of(TARGET), found.numbers_of(first)) == ([1, 2], [])
    found.withdraw(first.id)
    assert found.numbers_of(TARGET) == [2]


def test_a_key_that_was_revoked_before_may_not_sign_and_a_wallet_always_may() -> None:
    authority = Authority()
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=20)
    authority.add(grant)
    found = Retractions(authority)
    (note,) = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant)).envelopes
    assert not found.is_revoked(note)
    cut: dict[str, Any] = {"cut_time": ISSUED_AT - 1, "cut_seq": 0}
    authority.add(an_envelope(NETWORK, Kind.REVOCATION, ALICE, seq=21, grant_id=grant.id, **cut))
    assert found.is_revoked(note) and not found.is_revoked(TARGET)


def test_what_others_say_of_a_notification_costs_its_readers_nothing() -> None:
    checked: list[Envelope] = []

    class Counting(Authority):
        def check(self, envelope: Envelope) -> None:
            checked.append(envelope)

    found = Retractions(Counting())
    for seq in range(50):
        found.add(taken_back(BOB, seq), seq)
        found.add(taken_back(topic=Topic(ALICE, "other"), seq=seq), 100 + seq)
    assert (found.of(TARGET), found.numbers_of(TARGET)) == (None, [])
    own = [taken_back(seq=seq) for seq in range(50, 100)]
    for number, envelope in enumerate(own, 200):
        found.add(envelope, number)
    assert found.of(TARGET) == own[0]
    assert (checked, found.numbers_of(TARGET)) == ([own[0]], list(range(200, 250)))
