"""What the engine makes of grants and revocations."""

from typing import Any

from pushmesh_node.engine.effects import EndAccess, Judge, Relay, Reoffer
from pushmesh_node.engine.events import Restored, Ticked
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Scope
from pushmesh_protocol.limits import GRANT_RIDES_MS
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import UnixMs
from support.engine_world import NETWORK, PEER, an_engine, gossip, grant_for, offer, only, reasons
from support.envelopes import BOB, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_note, a_run, a_session, an_envelope


def test_a_session_key_signs_once_its_grant_is_known() -> None:
    engine = an_engine()
    grant = grant_for()
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant.envelopes[0]))
    assert reasons(offer(engine, note)) == [Reason.UNKNOWN_GRANT]
    effects = offer(engine, grant, note)
    assert reasons(effects) == [Reason.OK, Reason.OK]
    assert only(effects, Relay).grants == [grant.envelopes[0]]


def test_an_old_grant_does_not_ride_along() -> None:
    engine = an_engine()
    long_ago = ISSUED_AT - 7_200_000
    grant = an_envelope(NETWORK, Kind.GRANT, seq=20, issued_at=long_ago, not_before=long_ago)
    engine.handle(Restored([(1, grant, False)]), NOW)
    effects = offer(engine, a_note(NETWORK, WALLET_RANGE, auth=a_session(grant)))
    assert only(effects, Relay).grants == []


def test_a_grant_is_shown_long_after_it_rode() -> None:
    engine = an_engine()
    grant = grant_for()
    offer(engine, grant)
    engine.handle(Ticked(), UnixMs(NOW + 5 * GRANT_RIDES_MS))
    assert engine.state.grants.find(grant.envelopes[0].id) == grant.envelopes[0]


def test_what_a_peer_sent_before_its_grant_is_parked_and_offered_again() -> None:
    engine = an_engine()
    grant = grant_for()
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant.envelopes[0]))
    judged = only(gossip(engine, note), Judge)
    assert (judged.verdict, judged.reason) == (Verdict.IGNORE, Reason.UNKNOWN_GRANT)
    assert only(offer(engine, grant), Reoffer) == Reoffer([(PEER, note)])
    assert len(engine.parking) == 0


def test_leaves_that_wait_for_a_grant_wait_together() -> None:
    engine = an_engine()
    grant = grant_for()
    run = a_run(NETWORK, 4, WALLET_RANGE, auth=a_session(grant.envelopes[0]))
    gone = Refusal(Reason.EXPIRED, "7.2", "")
    gossip(engine, run)
    gossip(engine, a_run(NETWORK, 2, WALLET_RANGE + 8, auth=a_session(grant.envelopes[0])), failures=[None, gone])
    assert len(engine.parking) == 5
    (whole, single) = only(offer(engine, grant), Reoffer).parts
    assert whole == (PEER, run)
    assert len(single[1].envelopes) == 1


def test_a_grant_that_owns_slots_of_a_later_one_takes_its_words_back() -> None:
    engine = an_engine()
    first, second = (
        grant_for(BOB, seq=seq, scopes=[4], issued_at=at, not_before=at).envelopes[0]
        for seq, at in ((20, ISSUED_AT), (21, ISSUED_AT + 1))
    )
    auth = a_session(second)
    word = an_envelope(
        NETWORK, Kind.SUBSCRIPTION, BOB, auth=auth, seq=WALLET_RANGE, topic=TOPIC, issued_at=ISSUED_AT + 2
    )
    offer(engine, Part((second,)), Part((word,)))
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == {BOB}
    offer(engine, Part((first,)))
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == set()


def test_a_general_revocation_ends_access_by_earlier_grants_only() -> None:
    engine = an_engine()
    earlier, later = (
        grant_for(BOB, seq=seq, issued_at=at, not_before=at).envelopes[0]
        for seq, at in ((20, ISSUED_AT - 5), (21, ISSUED_AT))
    )
    offer(engine, Part((earlier,)), Part((later,)))
    revocation = an_envelope(
        NETWORK, Kind.REVOCATION, BOB, seq=22, grant_id=None, before=ISSUED_AT, cut_time=ISSUED_AT, cut_seq=0
    )
    assert only(offer(engine, Part((revocation,))), EndAccess) == EndAccess([earlier.id])


def test_a_publisher_without_grant_is_told_and_nothing_is_parked() -> None:
    engine = an_engine()
    offer(engine, a_note(NETWORK, WALLET_RANGE, auth=a_session(grant_for().envelopes[0])))
    assert len(engine.parking) == 0


def test_a_revocation_ends_access_and_the_keys_subscriptions() -> None:
    engine = an_engine()
    grant = grant_for(BOB, scopes=[int(Scope.SUBSCRIPTION)]).envelopes[0]
    subscription = an_envelope(
        NETWORK, Kind.SUBSCRIPTION, BOB, auth=a_session(grant), seq=WALLET_RANGE, topic=TOPIC, on=True
    )
    offer(engine, Part((grant,)), Part((subscription,)))
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == {BOB}
    revocation = an_envelope(
        NETWORK, Kind.REVOCATION, BOB, seq=21, grant_id=grant.id, before=None, cut_time=ISSUED_AT, cut_seq=0
    )
    effects = offer(engine, Part((revocation,)))
    assert only(effects, EndAccess) == EndAccess([grant.id])
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == set()


def test_a_retraction_after_the_cut_of_its_key_has_no_effect_in_whatever_order_it_came() -> None:
    grant = grant_for(scopes=[int(Kind.RETRACTION)], topics=None).envelopes[0]
    target = a_note(NETWORK, 1).envelopes[0]
    values: dict[str, Any] = {"target": target.id, "expires_at": target.body.expires_at, "topic": TOPIC}
    late = an_envelope(
        NETWORK, Kind.RETRACTION, seq=WALLET_RANGE, issued_at=ISSUED_AT + 2, auth=a_session(grant), **values
    )
    cut = an_envelope(
        NETWORK, Kind.REVOCATION, seq=22, grant_id=grant.id, before=None, cut_time=ISSUED_AT + 1, cut_seq=0
    )
    before, after = an_engine(), an_engine()
    for engine, words in ((before, (grant, cut, late)), (after, (grant, late, cut))):
        for word in words:
            offer(engine, Part((word,)))
    assert before.state.retractions.of(target) is None
    assert after.state.retractions.of(target) is None
