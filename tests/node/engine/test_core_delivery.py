"""Whom the engine delivers to."""

from typing import Any

import pytest

from pushmesh_node.curation import compile_policy
from pushmesh_node.engine import curator, private
from pushmesh_node.engine.answers import Level
from pushmesh_node.engine.effects import Answer, Deliver, Group, Relay, Store
from pushmesh_node.engine.events import ListenerCame, ListenerLeft, PrivateShown
from pushmesh_node.engine.recording import private_record_of
from pushmesh_node.engine.records import DecisionRecord, PrivateRecord
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Preference
from pushmesh_protocol.kinds.preferences import MUTE
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.reasons import Reason
from support.engine_world import NETWORK, an_engine, deliveries, offer, only, outcomes, reasons, subscribe
from support.envelopes import ALICE, BOB, CAROL, ISSUED_AT, NOW, TOPIC, a_note, an_envelope


def test_a_broadcast_reaches_connected_subscribers_only() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    subscribe(engine, CAROL)
    engine.handle(ListenerCame(BOB), NOW)
    part = a_note(NETWORK, 1)
    (deliver,) = deliveries(offer(engine, part))
    groups = [Group("now", Reason.SUBSCRIBED, [BOB])]
    assert deliver == Deliver(engine.last_commit, part, 0, groups, encode_frame([part]))


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
    assert [list(group.accounts) for group in deliveries(effects)[0].groups] == [[BOB]]
    (decision,) = [w for w in only(effects, Store).writes if isinstance(w, DecisionRecord)]
    assert (decision.account, decision.verdict, decision.reason) == (CAROL, "request-inbox", Reason.NOT_SUBSCRIBED)


def test_a_muted_sender_is_held_back_with_its_reason() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    preferences = an_envelope(NETWORK, Kind.PREFERENCES, BOB, private=True, seq=0, entries=[Preference(MUTE, ALICE)])
    stored = engine.handle(PrivateShown(7, preferences), NOW)
    assert isinstance(only(stored, Store).writes[0], PrivateRecord)
    assert only(stored, Answer).request == 7
    effects = offer(engine, a_note(NETWORK, 1))
    assert not deliveries(effects)
    (decision,) = [w for w in only(effects, Store).writes if isinstance(w, DecisionRecord)]
    assert (decision.verdict, decision.reason) == ("hold", Reason.MUTED_BY_WALLET)


def a_private_word(at: int = ISSUED_AT, *, on: bool = True) -> Envelope:
    ends = at + (DAY_MS if on else 400 * DAY_MS)
    values: dict[str, Any] = {"topic": TOPIC, "on": on, "issued_at": at, "expires_at": ends}
    return an_envelope(NETWORK, Kind.PRIVATE_SUBSCRIPTION, BOB, private=True, **values)


def test_a_private_subscription_brings_messages_and_a_private_no_keeps_them_away_though_the_public_word_is_yes() -> (
    None
):
    engine = an_engine()
    engine.handle(ListenerCame(BOB), NOW)
    stored = engine.handle(PrivateShown(7, a_private_word()), NOW)
    assert only(stored, Store).writes == [private_record_of(a_private_word())]
    assert [list(group.accounts) for group in only(offer(engine, a_note(NETWORK, 1)), Deliver).groups] == [[BOB]]
    subscribe(engine, BOB)
    engine.handle(PrivateShown(8, a_private_word(ISSUED_AT + 1, on=False)), NOW)
    assert not deliveries(offer(engine, a_note(NETWORK, 2)))


def test_a_private_subscription_goes_nowhere_but_to_the_disk() -> None:
    engine = an_engine()
    effects = engine.handle(PrivateShown(7, a_private_word()), NOW)
    assert {type(effect) for effect in effects} == {Store, Answer}


def test_a_private_word_without_room_is_refused_and_an_older_one_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = an_engine()
    engine.handle(PrivateShown(1, a_private_word(on=False)), NOW)
    assert reasons(engine.handle(PrivateShown(2, a_private_word(ISSUED_AT - 1)), NOW)) == [Reason.DUPLICATE]
    monkeypatch.setattr(private, "MAX_WORDS", 0)
    effects = an_engine().handle(PrivateShown(3, a_private_word()), NOW)
    assert [(one.level, one.reason) for one in outcomes(effects)] == [(Level.REFUSED, Reason.STORE_FULL)]
    assert not any(isinstance(effect, Store) for effect in effects)


def test_preferences_without_room_are_refused_and_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curator, "MAX_PREFERENCES_BYTES", 10)
    wish = an_envelope(NETWORK, Kind.PREFERENCES, BOB, private=True, seq=0)
    effects = an_engine().handle(PrivateShown(7, wish), NOW)
    assert [(one.level, one.reason) for one in outcomes(effects)] == [(Level.REFUSED, Reason.STORE_FULL)]
    assert not any(isinstance(effect, Store) for effect in effects)


def test_older_preferences_change_nothing() -> None:
    engine = an_engine()
    newer, older = (
        an_envelope(NETWORK, Kind.PREFERENCES, BOB, private=True, seq=0, issued_at=at, entries=[])
        for at in (ISSUED_AT, ISSUED_AT - 1)
    )
    engine.handle(PrivateShown(1, newer), NOW)
    effects = engine.handle(PrivateShown(2, older), NOW)
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
