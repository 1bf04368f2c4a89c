from collections.abc import Sequence
from typing import Any

import pytest

from pushmesh_node.curation import NO_POLICY, compile_policy
from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import (
    Answer,
    Deliver,
    Effect,
    EndAccess,
    Judge,
    Recipient,
    Relay,
    Reload,
    Reoffer,
    Store,
    Tally,
)
from pushmesh_node.engine.events import (
    Candidate,
    CaughtUp,
    Gossiped,
    ListenerCame,
    ListenerLeft,
    Offer,
    Offered,
    PreferencesShown,
    Published,
    Restored,
    Source,
    StoreFailed,
    Ticked,
)
from pushmesh_node.engine.parts import leaf_part
from pushmesh_node.engine.records import DecisionRecord, Holder, PrivateRecord, Record, SentMark, VoidMark
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.schemes import Eip712, Session
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.kinds import Kind, Preference, Scope
from pushmesh_protocol.kinds.preferences import MUTE
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.bodies import a_network
from support.envelopes import (
    ALICE,
    BOB,
    CAROL,
    ISSUED_AT,
    NOW,
    TOPIC,
    WALLET_RANGE,
    a_note,
    a_run,
    a_session,
    an_envelope,
)

NETWORK = a_network()
PEER = b"\x0e" * 32
PUBLISHED = Published(1)


def an_engine(**changes: Any) -> Engine:
    settings: dict[str, Any] = {"next_commit": 1, "policy": NO_POLICY}
    return Engine(NETWORK, **(settings | changes))


def offer(engine: Engine, *candidates: Candidate | Part, source: Source = PUBLISHED) -> list[Effect]:
    ready = [candidate if isinstance(candidate, Candidate) else Candidate(candidate) for candidate in candidates]
    return engine.handle(Offered([Offer(source, ready)]), NOW)


def only(effects: Sequence[Effect], kind: type) -> Any:
    found = [effect for effect in effects if isinstance(effect, kind)]
    assert len(found) == 1, effects
    return found[0]


def outcomes(effects: Sequence[Effect]) -> Sequence[Outcome]:
    answers: Sequence[Outcome] = only(effects, Answer).outcomes
    return answers


def reasons(effects: Sequence[Effect]) -> list[Reason]:
    return [outcome.reason for outcome in outcomes(effects)]


def gossip(engine: Engine, *parts: Part, **changes: Any) -> list[Effect]:
    frame = encode_frame(parts)
    sizes = [[len(e.body_bytes) + 100 for e in part.envelopes] for part in parts]
    candidates = [Candidate(part, sizes=size, **changes) for part, size in zip(parts, sizes, strict=True)]
    return engine.handle(Offered([Offer(Gossiped(PEER, 5, len(frame)), candidates)]), NOW)


def test_a_new_envelope_is_stored_answered_and_relayed_in_this_order() -> None:
    part = a_note(NETWORK)
    effects = offer(an_engine(), part)
    assert [type(effect) for effect in effects] == [Store, Answer, Relay, Tally]
    envelope = part.envelopes[0]
    assert outcomes(effects) == [Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", 1)]
    assert effects[2] == Relay([part], [])
    assert effects[3] == Tally("published", Verdict.ACCEPT, Reason.OK, 1)


def test_the_record_says_everything_that_the_store_asks() -> None:
    part = a_note(NETWORK, seq=3, audience=[BOB])
    (record,) = only(offer(an_engine(next_commit=41), part), Store).writes
    envelope = part.envelopes[0]
    epoch = NETWORK.epoch(ISSUED_AT)
    assert record == Record(
        41, Kind.NOTIFICATION, ALICE, TOPIC, epoch, 3, 4, UnixMs(ISSUED_AT), UnixMs(envelope.body.expires_at),
        (envelope.id,), (UnixMs(ISSUED_AT),), ((BOB,),), True, encode_frame([part]),
    )  # fmt: skip
    assert open_frame(NETWORK, record.data).parts == (part,)


def test_the_same_envelope_again_gets_the_same_commit_number_and_nothing_else() -> None:
    engine = an_engine()
    part = a_note(NETWORK)
    offer(engine, part)
    effects = offer(engine, part)
    assert [type(effect) for effect in effects] == [Answer, Tally]
    assert outcomes(effects) == [Outcome(part.envelopes[0].id, Level.DURABLE, Reason.DUPLICATE, "7.6", "", 1)]


def test_an_envelope_that_only_the_store_knows_is_a_duplicate_before_any_age_check() -> None:
    part = a_note(NETWORK)
    held = Holder(1, 2, part.envelopes[0].id, 17, True)
    old = Refusal(Reason.TOO_OLD, "7.3", "")
    effects = offer(an_engine(next_commit=20), Candidate(part, failures=[old], holders=[held]))
    assert [(o.reason, o.commit_no) for o in outcomes(effects)] == [(Reason.DUPLICATE, 17)]


def test_a_bad_signature_is_refused_even_on_a_known_id() -> None:
    engine = an_engine()
    part = a_note(NETWORK)
    offer(engine, part)
    bad = Refusal(Reason.BAD_SIGNATURE, "5.3", "another key")
    assert reasons(offer(engine, Candidate(part, failures=[bad]))) == [Reason.BAD_SIGNATURE]


def test_refused_envelopes_change_nothing() -> None:
    engine = an_engine()
    late = Refusal(Reason.EXPIRED, "7.2", "it has expired")
    effects = offer(engine, Candidate(a_note(NETWORK), failures=[late]))
    assert [type(effect) for effect in effects] == [Answer, Tally]
    assert engine.last_commit == 0
    assert outcomes(effects)[0] == Outcome(
        a_note(NETWORK).envelopes[0].id, Level.REFUSED, Reason.EXPIRED, "7.2", "it has expired", None
    )


def test_unreadable_entries_are_answered_in_their_places() -> None:
    parts = [a_note(NETWORK, 1), a_note(NETWORK, 2)]
    malformed = Refusal(Reason.MALFORMED, "3.1", "trailing byte")
    entry = Offer(PUBLISHED, [Candidate(part) for part in parts], [(1, malformed)])
    effects = an_engine().handle(Offered([entry]), NOW)
    assert reasons(effects) == [Reason.OK, Reason.MALFORMED, Reason.OK]


# Slots


def test_two_ids_in_one_slot_make_each_other_void_and_the_third_is_surplus() -> None:
    engine = an_engine()
    first, second, third = (a_note(NETWORK, 1, title=title) for title in ("one", "two", "three"))
    offer(engine, first)
    effects = offer(engine, second)
    assert reasons(effects) == [Reason.SLOT_VOID]
    writes = only(effects, Store).writes
    assert writes[1:] == [VoidMark(1), VoidMark(2)]
    assert any(isinstance(effect, Relay) for effect in effects)
    assert reasons(offer(engine, third)) == [Reason.SURPLUS]


def test_a_rival_that_only_the_store_knows_makes_both_void() -> None:
    other = Holder(1, 2, EnvelopeId(b"\x77" * 32), 9, True)
    effects = offer(an_engine(next_commit=10), Candidate(a_note(NETWORK, 1), holders=[other]))
    assert only(effects, Store).writes[1:] == [VoidMark(9), VoidMark(10)]


def test_a_void_notification_is_not_delivered() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    assert deliveries(offer(engine, a_note(NETWORK, 1, title="one")))
    assert not deliveries(offer(engine, a_note(NETWORK, 1, title="two")))


def test_a_large_envelope_collides_in_any_of_its_slots() -> None:
    engine = an_engine()
    wide = a_note(NETWORK, 4, body="x" * 4_000)
    assert wide.envelopes[0].cost == 3
    offer(engine, wide)
    assert reasons(offer(engine, a_note(NETWORK, 6))) == [Reason.SLOT_VOID]
    assert reasons(offer(engine, a_note(NETWORK, 7))) == [Reason.OK]


def test_a_subscription_whose_slot_turns_out_void_no_longer_counts_and_the_one_before_does() -> None:
    engine = an_engine()
    subscribe(engine, BOB, seq=8)
    subscribe(engine, BOB, seq=9, on=False, issued_at=ISSUED_AT + 1, expires_at=ISSUED_AT + 1 + 400 * 86_400_000)
    assert set(engine.subscriptions.subscribers(TOPIC)) == set()
    subscribe(engine, BOB, seq=9, topic=Topic(ALICE, "other"))
    assert set(engine.subscriptions.subscribers(TOPIC)) == {BOB}
    assert set(engine.subscriptions.subscribers(Topic(ALICE, "other"))) == set()


def test_a_retraction_whose_slot_turns_out_void_no_longer_counts() -> None:
    engine = an_engine()
    (target,) = a_note(NETWORK, 1).envelopes
    ends = target.body.expires_at
    taken_back = an_envelope(NETWORK, Kind.RETRACTION, seq=2, target=target.id, expires_at=ends, topic=TOPIC)
    offer(engine, Part((taken_back,)))
    assert engine.retractions.of(target) == taken_back
    offer(engine, a_note(NETWORK, 2))
    assert engine.retractions.of(target) is None


# Batches


def test_a_run_is_one_record_with_one_commit_number_a_leaf() -> None:
    engine = an_engine()
    run = a_run(NETWORK, 5)
    effects = offer(engine, run)
    (record,) = only(effects, Store).writes
    assert (record.first_commit, record.count, record.first_seq, record.end_seq) == (1, 5, 1, 6)
    assert [outcome.commit_no for outcome in outcomes(effects)] == [1, 2, 3, 4, 5]
    assert engine.last_commit == 5


def test_leaves_of_a_run_are_judged_one_by_one_and_stored_with_their_own_paths() -> None:
    engine = an_engine()
    run = a_run(NETWORK, 4)
    gone = Refusal(Reason.EXPIRED, "7.2", "")
    effects = offer(engine, Candidate(run, failures=[None, gone, None, None]))
    assert reasons(effects) == [Reason.OK, Reason.EXPIRED, Reason.OK, Reason.OK]
    records = only(effects, Store).writes
    assert [record.ids for record in records] == [(run.envelopes[i].id,) for i in (0, 2, 3)]
    for record in records:
        (part,) = open_frame(NETWORK, record.data).parts
        assert isinstance(part, Part)


def test_a_long_run_with_one_late_leaf_builds_its_tree_once() -> None:
    run = a_run(NETWORK, 1_024)
    failures = [Refusal(Reason.EXPIRED, "7.2", ""), *[None] * 1_023]
    with_tree = [leaf_part(run, 5)]
    effects = offer(an_engine(), Candidate(run, failures=failures))
    records = only(effects, Store).writes
    assert len(records) == 1_023
    assert records[4].data == encode_frame(with_tree)


# Grants


def grant_for(author: Any = ALICE, **changes: Any) -> Part:
    return Part((an_envelope(NETWORK, Kind.GRANT, author, **({"seq": 20} | changes)),))


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
    assert set(engine.subscriptions.subscribers(TOPIC)) == {BOB}
    offer(engine, Part((first,)))
    assert set(engine.subscriptions.subscribers(TOPIC)) == set()


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
    assert set(engine.subscriptions.subscribers(TOPIC)) == {BOB}
    revocation = an_envelope(
        NETWORK, Kind.REVOCATION, BOB, seq=21, grant_id=grant.id, before=None, cut_time=ISSUED_AT, cut_seq=0
    )
    effects = offer(engine, Part((revocation,)))
    assert only(effects, EndAccess) == EndAccess([grant.id])
    assert set(engine.subscriptions.subscribers(TOPIC)) == set()


# Frames


def test_a_frame_of_new_items_is_accepted_before_anything_is_stored() -> None:
    effects = gossip(an_engine(), a_note(NETWORK, 1), a_note(NETWORK, 2))
    assert [type(effect) for effect in effects] == [Judge, Store, Tally]
    assert effects[0].verdict is Verdict.ACCEPT  # type: ignore[union-attr]  # it is a Judge
    assert all(write.sent for write in only(effects, Store).writes)


def test_nothing_is_taken_from_a_rejected_frame() -> None:
    engine = an_engine()
    bad = Refusal(Reason.BAD_SIGNATURE, "5.3", "")
    candidates = [Candidate(a_note(NETWORK, 1)), Candidate(a_note(NETWORK, 2), failures=[bad])]
    effects = engine.handle(Offered([Offer(Gossiped(PEER, 5, 1_000), candidates)]), NOW)
    assert effects == [
        Judge(5, Verdict.REJECT, Reason.BAD_SIGNATURE, 0),
        Tally("gossiped", Verdict.REJECT, Reason.BAD_SIGNATURE, 1),
    ]
    assert engine.last_commit == 0


def test_new_items_of_an_ignored_frame_go_into_the_own_next_frame() -> None:
    engine = an_engine()
    stale, fresh = a_note(NETWORK, 1), a_note(NETWORK, 2)
    expired = Refusal(Reason.EXPIRED, "7.2", "")
    candidates = [Candidate(stale, failures=[expired], sizes=[400]), Candidate(fresh, sizes=[400])]
    effects = engine.handle(Offered([Offer(Gossiped(PEER, 5, 800), candidates)]), NOW)
    assert only(effects, Judge).verdict is Verdict.IGNORE
    assert only(effects, Relay).parts == [fresh]


def test_what_catch_up_brought_is_new_to_the_mesh_once() -> None:
    engine = an_engine()
    part = a_note(NETWORK, 1)
    held = Holder(1, 2, part.envelopes[0].id, 3, False)
    effects = gossip(engine, part, holders=[held])
    assert only(effects, Judge).verdict is Verdict.ACCEPT
    assert only(effects, Store).writes == [SentMark(3)]


def test_what_catch_up_brought_is_new_to_the_mesh_only_once_before_the_store_says_so() -> None:
    engine = an_engine()
    part = a_note(NETWORK, 1)
    held = Holder(1, 2, part.envelopes[0].id, 3, False)
    assert only(gossip(engine, part, holders=[held]), Judge).verdict is Verdict.ACCEPT
    again = gossip(engine, part, holders=[held])
    assert (only(again, Judge).verdict, only(again, Judge).reason) == (Verdict.IGNORE, Reason.DUPLICATE)
    assert not any(isinstance(effect, Store) for effect in again)


def test_a_known_id_under_an_unknown_grant_holds_the_frame_back() -> None:
    """Anybody can put an auth of their own on an envelope that they saw."""
    engine = an_engine()
    grant = grant_for()
    offer(engine, grant, real := a_note(NETWORK, WALLET_RANGE, auth=a_session(grant.envelopes[0])))
    stolen = a_note(NETWORK, WALLET_RANGE, auth=Session(b"\x66" * 32, b"\x67" * 32, b"\x68" * 64, None))
    assert stolen.envelopes[0].id == real.envelopes[0].id
    judged = only(gossip(engine, stolen, a_note(NETWORK, 5)), Judge)
    assert (judged.verdict, judged.reason) == (Verdict.IGNORE, Reason.UNKNOWN_GRANT)
    assert reasons(offer(engine, stolen)) == [Reason.DUPLICATE]  # its publisher still gets the receipt


def test_a_known_id_with_another_authorised_auth_holds_nothing_back() -> None:
    engine = an_engine()
    offer(engine, a_note(NETWORK, 1))
    other_auth = a_note(NETWORK, 1, auth=Eip712(1, b"\x02" * 65, None))
    judged = only(gossip(engine, other_auth, a_note(NETWORK, 2), a_note(NETWORK, 3)), Judge)
    assert judged.verdict is Verdict.ACCEPT


def test_young_catch_up_is_relayed_and_old_is_not() -> None:
    young = offer(an_engine(), a_note(NETWORK, 1), source=CaughtUp(PEER))
    assert any(isinstance(effect, Relay) for effect in young)
    old = a_note(NETWORK, 1, issued_at=NOW - 200_000)
    effects = offer(an_engine(), old, source=CaughtUp(PEER))
    assert not any(isinstance(effect, Relay) for effect in effects)
    assert only(effects, Store).writes[0].sent is False


# Delivery


def subscribe(engine: Engine, account: Any, seq: int = 9, **changes: Any) -> None:
    values: dict[str, Any] = {"topic": TOPIC, "on": True}
    envelope = an_envelope(NETWORK, Kind.SUBSCRIPTION, account, seq=seq, **(values | changes))
    offer(engine, Part((envelope,)))


def deliveries(effects: Sequence[Effect]) -> list[Deliver]:
    return [effect for effect in effects if isinstance(effect, Deliver)]


def test_a_broadcast_reaches_connected_subscribers_only() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    subscribe(engine, CAROL)
    engine.handle(ListenerCame(BOB), NOW)
    part = a_note(NETWORK, 1)
    (deliver,) = deliveries(offer(engine, part))
    assert deliver == Deliver(engine.last_commit, part, 0, [Recipient(BOB, "now", Reason.SUBSCRIBED)])


def test_nobody_is_delivered_to_after_the_last_connection_left() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    engine.handle(ListenerCame(BOB), NOW)
    engine.handle(ListenerLeft(BOB), NOW)
    assert deliveries(offer(engine, a_note(NETWORK, 1)))
    engine.handle(ListenerLeft(BOB), NOW)
    assert not deliveries(offer(engine, a_note(NETWORK, 2)))


def test_a_list_reaches_those_on_it_and_strangers_wait_in_the_request_inbox() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    for account in (BOB, CAROL):
        engine.handle(ListenerCame(account), NOW)
    effects = offer(engine, a_note(NETWORK, 1, audience=[BOB, CAROL]))
    assert [r.account for r in deliveries(effects)[0].recipients] == [BOB]
    (decision,) = [w for w in only(effects, Store).writes if isinstance(w, DecisionRecord)]
    assert (decision.account, decision.verdict, decision.reason) == (CAROL, "request-inbox", Reason.NOT_SUBSCRIBED)


def test_a_muted_sender_is_held_back_with_its_reason() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    preferences = an_envelope(NETWORK, Kind.PREFERENCES, BOB, private=True, seq=0, entries=[Preference(MUTE, ALICE)])
    stored = engine.handle(PreferencesShown(7, preferences), NOW)
    assert isinstance(only(stored, Store).writes[0], PrivateRecord)
    assert only(stored, Answer).request == 7
    effects = offer(engine, a_note(NETWORK, 1))
    assert not deliveries(effects)
    (decision,) = [w for w in only(effects, Store).writes if isinstance(w, DecisionRecord)]
    assert (decision.verdict, decision.reason) == ("hold", Reason.MUTED_BY_WALLET)


def test_older_preferences_change_nothing() -> None:
    engine = an_engine()
    newer, older = (
        an_envelope(NETWORK, Kind.PREFERENCES, BOB, private=True, seq=0, issued_at=at, entries=[])
        for at in (ISSUED_AT, ISSUED_AT - 1)
    )
    engine.handle(PreferencesShown(1, newer), NOW)
    effects = engine.handle(PreferencesShown(2, older), NOW)
    assert reasons(effects) == [Reason.DUPLICATE]
    assert not any(isinstance(effect, Store) for effect in effects)


def test_the_operators_denial_holds_delivery_and_never_relaying() -> None:
    engine = an_engine(policy=compile_policy(deny=[ALICE]))
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    effects = offer(engine, a_note(NETWORK, 1))
    assert not deliveries(effects)
    assert any(isinstance(effect, Relay) for effect in effects)


def test_a_retracted_notification_is_not_delivered_even_if_the_retraction_came_first() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    part = a_note(NETWORK, 1)
    retraction = an_envelope(
        NETWORK,
        Kind.RETRACTION,
        seq=2,
        target=part.envelopes[0].id,
        mode=1,
        expires_at=part.envelopes[0].body.expires_at,
    )
    assert deliveries(offer(engine, Part((retraction,))))
    assert not deliveries(offer(engine, part))


# Failure


def test_after_a_failed_commit_the_same_envelope_is_new_again() -> None:
    engine = an_engine()
    part = a_note(NETWORK, 1)
    writes = only(offer(engine, part), Store).writes
    assert engine.handle(StoreFailed(writes), NOW) == []
    effects = offer(engine, part)
    assert reasons(effects) == [Reason.OK]
    assert outcomes(effects)[0].commit_no == 2


def test_a_failed_commit_of_state_asks_for_a_reload() -> None:
    engine = an_engine()
    writes = only(offer(engine, grant_for()), Store).writes
    assert engine.handle(StoreFailed(writes), NOW) == [Reload()]


def test_a_failed_commit_that_made_another_envelope_void_asks_for_a_reload() -> None:
    engine = an_engine()
    subscribe(engine, ALICE, seq=9)
    writes = only(offer(engine, a_note(NETWORK, 9)), Store).writes
    assert {type(write) for write in writes} == {Record, VoidMark}
    assert engine.handle(StoreFailed(writes), NOW) == [Reload()]


def test_a_tick_forgets_what_expired() -> None:
    engine = an_engine()
    subscribe(engine, BOB, expires_at=NOW + 5)
    topic = an_envelope(NETWORK, Kind.TOPIC, seq=30, topic=TOPIC, expires_at=NOW + 5)
    taken_back = an_envelope(NETWORK, Kind.RETRACTION, seq=2, topic=TOPIC, expires_at=NOW + 5)
    offer(engine, Part((topic,)), Part((taken_back,)))
    assert (len(engine.topics), len(engine.retractions)) == (1, 1)
    engine.handle(Ticked(), UnixMs(NOW + 120_000))
    assert (len(engine.topics), len(engine.retractions)) == (0, 0)
    assert set(engine.subscriptions.subscribers(TOPIC)) == set()


def test_restored_state_decides_like_state_that_was_offered() -> None:
    first = an_engine()
    grant = grant_for().envelopes[0]
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=9, topic=TOPIC, on=True)
    offer(first, Part((grant,)), Part((subscription,)))
    second = an_engine()
    second.handle(Restored([(1, grant, False), (2, subscription, False)]), NOW)
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant))
    assert offer(first, note) == offer(second, note)


@pytest.mark.parametrize("void", [True, False])
def test_a_void_subscription_does_not_count(void: bool) -> None:
    engine = an_engine()
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=9, topic=TOPIC, on=True)
    engine.handle(Restored([(1, subscription, void)]), NOW)
    assert (BOB in engine.subscriptions.subscribers(TOPIC)) is not void
