import pytest

from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.core import SWEEP_EVERY_MS
from pushmesh_node.engine.effects import Answer, Relay, Reload, Store, Tally
from pushmesh_node.engine.events import Candidate, ListenerCame, Offer, Offered, Restored, StoreFailed, Ticked
from pushmesh_node.engine.parking import PATIENCE_MS
from pushmesh_node.engine.parts import leaf_part
from pushmesh_node.engine.records import (
    DecisionRecord,
    DueRecord,
    Holder,
    PrivateRecord,
    PrivateTopicRecord,
    Record,
    SentMark,
    Unscheduled,
    VoidMark,
    Write,
)
from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.bodies import a_network
from support.engine_world import (
    NETWORK,
    PUBLISHED,
    an_engine,
    deliveries,
    gossip,
    grant_for,
    offer,
    only,
    outcomes,
    reasons,
    subscribe,
)
from support.envelopes import ALICE, BOB, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_note, a_run, a_session, an_envelope


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
        (envelope.id,), (UnixMs(ISSUED_AT),), ((BOB,),), True, encode_frame([part]), published=True,
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


def test_what_the_disk_has_not_taken_yet_is_known_however_much_it_is() -> None:
    network = a_network(slot_bytes=256)
    engine = an_engine(network)
    crowd = [evm_account(number.to_bytes(20, "big")) for number in range(2_000)]
    wide = [a_note(network, seq=200 * number, audience=crowd) for number in range(900)]
    slots = sum(part.envelopes[0].cost for part in wide)
    assert slots > 2 * 65_536  # what is remembered at most of what was seen
    for part in wide:
        offer(engine, part)
    assert [reasons(offer(engine, part)) for part in (wide[0], wide[-1])] == [[Reason.DUPLICATE]] * 2
    assert reasons(offer(engine, a_note(network, seq=199, title="a rival"))) == [Reason.OK]
    assert reasons(offer(engine, a_note(network, seq=150, title="a rival"))) == [Reason.SLOT_VOID]


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
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == set()
    subscribe(engine, BOB, seq=9, topic=Topic(ALICE, "other"))
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == {BOB}
    assert set(engine.state.subscriptions.subscribers(Topic(ALICE, "other"))) == set()


def test_a_retraction_whose_slot_turns_out_void_no_longer_counts() -> None:
    engine = an_engine()
    (target,) = a_note(NETWORK, 1).envelopes
    ends = target.body.expires_at
    taken_back = an_envelope(NETWORK, Kind.RETRACTION, seq=2, target=target.id, expires_at=ends, topic=TOPIC)
    offer(engine, Part((taken_back,)))
    assert engine.state.retractions.of(target) == taken_back
    offer(engine, a_note(NETWORK, 2))
    assert engine.state.retractions.of(target) is None


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


# Failure and time


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


@pytest.mark.parametrize(
    ("write", "reloads"),
    [
        (SentMark(3), True),
        (VoidMark(3), True),
        (PrivateRecord(ALICE, Kind.PREFERENCES, NOW, NOW, b""), True),
        (PrivateTopicRecord(ALICE, b"", NOW, NOW, b""), True),
        (DueRecord(4, 3, NOW, None, b""), False),
        (Unscheduled(3, NOW), False),
        (DecisionRecord(ALICE, 3, "hold", "muted", "r", NOW, b"", b""), False),
    ],
)
def test_a_reload_is_asked_for_where_memory_is_ahead_of_the_store(write: Write, reloads: bool) -> None:
    assert an_engine().handle(StoreFailed([write]), NOW) == ([Reload()] if reloads else [])


def test_a_tick_forgets_what_expired() -> None:
    engine = an_engine()
    subscribe(engine, BOB, expires_at=NOW + 5)
    topic = an_envelope(NETWORK, Kind.TOPIC, seq=30, topic=TOPIC, expires_at=NOW + 5)
    taken_back = an_envelope(NETWORK, Kind.RETRACTION, seq=2, topic=TOPIC, expires_at=NOW + 5)
    offer(engine, Part((topic,)), Part((taken_back,)))
    assert (len(engine.state.topics), len(engine.state.retractions)) == (1, 1)
    engine.handle(Ticked(), UnixMs(NOW + 120_000))
    assert (len(engine.state.topics), len(engine.state.retractions)) == (0, 0)
    assert set(engine.state.subscriptions.subscribers(TOPIC)) == set()


def test_a_tick_gives_up_on_what_waited_too_long_for_its_grant() -> None:
    engine = an_engine()
    gossip(engine, a_note(NETWORK, WALLET_RANGE, auth=a_session(grant_for().envelopes[0])))
    engine.handle(Ticked(), UnixMs(NOW + PATIENCE_MS - 1))
    assert len(engine.parking) == 1
    engine.handle(Ticked(), UnixMs(NOW + PATIENCE_MS + SWEEP_EVERY_MS))
    assert len(engine.parking) == 0


def test_a_restored_number_never_takes_back_those_that_were_given() -> None:
    engine = an_engine(next_commit=1_000)
    (envelope,) = grant_for().envelopes
    engine.handle(Restored([(7, envelope, False), (1_200, envelope, False), (8, envelope, False)]), NOW)
    assert engine.last_commit == 1_200


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
    assert (BOB in engine.state.subscriptions.subscribers(TOPIC)) is not void
