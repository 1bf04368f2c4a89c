"""Whom the engine delivers to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pushmesh_node.curation import compile_policy
from pushmesh_node.engine import curator, private
from pushmesh_node.engine.answers import Level
from pushmesh_node.engine.effects import Answer, Deliver, Effect, Group, Relay, Store
from pushmesh_node.engine.events import (
    Candidate,
    DueCame,
    ListenerCame,
    ListenerLeft,
    Offer,
    Offered,
    PrivateShown,
    Published,
    StoreFailed,
)
from pushmesh_node.engine.recording import private_record_of
from pushmesh_node.engine.records import DecisionRecord, DueRecord, PrivateRecord, Record, Scheduled, Unscheduled
from pushmesh_node.engine.targets import target_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Preference, SettingChoice
from pushmesh_protocol.kinds.preferences import MUTE
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
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


def given(effects: Sequence[Effect]) -> list[list[Account]]:
    """Of each delivery who gets it."""
    return [sorted([account for group in each.groups for account in group.accounts]) for each in deliveries(effects)]


def test_messages_that_come_together_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, asked = an_engine(), list[Topic | None]()
    subscribe(engine, BOB)
    subscribe(engine, CAROL, settings=[SettingChoice("min-priority", 1)])
    for account in (BOB, CAROL):
        engine.handle(ListenerCame(account), NOW)
    concerned = engine.listeners.concerned

    def ask(topic: Topic | None, *rest: Any) -> Sequence[Account]:
        asked.append(topic)
        return concerned(topic, *rest)

    monkeypatch.setattr(engine.listeners, "concerned", ask)
    effects = offer(engine, *(a_note(NETWORK, seq) for seq in range(1, 4)))
    assert (given(effects), asked) == ([sorted([BOB, CAROL])] * 3, [TOPIC])


def test_who_subscribed_between_messages_that_come_together_gets_the_later_one_and_who_lost_it_does_not() -> None:
    engine = an_engine()
    subscribe(engine, BOB, seq=9)
    for account in (BOB, CAROL):
        engine.handle(ListenerCame(account), NOW)
    word = Part((an_envelope(NETWORK, Kind.SUBSCRIPTION, CAROL, topic=TOPIC, on=True),))
    rival = Part((an_envelope(NETWORK, Kind.NOTIFICATION, BOB, topic=Topic(BOB, "own"), seq=9),))
    notes = [a_note(NETWORK, seq) for seq in range(1, 4)]
    effects = offer(engine, notes[0], word, notes[1], rival, notes[2])
    assert given(effects) == [[BOB], sorted([BOB, CAROL]), [CAROL]]


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


def a_private_word(at: int = ISSUED_AT, *, on: bool = True, author: Account = BOB, topic: Topic = TOPIC) -> Envelope:
    ends = at + (DAY_MS if on else 400 * DAY_MS)
    values: dict[str, Any] = {"topic": topic, "on": on, "issued_at": at, "expires_at": ends}
    return an_envelope(NETWORK, Kind.PRIVATE_SUBSCRIPTION, author, private=True, **values)


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


def test_a_private_word_that_makes_room_ends_on_the_disk_and_the_public_one_decides_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private, "MAX_WORDS", 3)
    engine = an_engine()
    said = [a_private_word(ISSUED_AT + number, on=False, topic=Topic(ALICE, f"t-{number}")) for number in range(3)]
    for word in said:
        engine.handle(PrivateShown(1, word), NOW)
    other = a_private_word(author=CAROL)
    effects = engine.handle(PrivateShown(2, other), NOW)
    assert [(one.level, one.reason) for one in outcomes(effects)] == [(Level.DURABLE, Reason.OK)]
    assert only(effects, Store).writes == [
        replace(private_record_of(said[2]), expires_at=UnixMs(0)),
        private_record_of(other),
    ]
    assert engine.state.subscriptions.word(BOB, Topic(ALICE, "t-2"), NOW) is None
    assert engine.state.subscriptions.word(CAROL, TOPIC, NOW) == other


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
    offer(engine, Part((taken_back(part),)))
    assert not deliveries(offer(engine, part))


def taken_back(part: Part, **changes: Any) -> Envelope:
    (note,) = part.envelopes
    values: dict[str, Any] = {"seq": 2, "target": note.id, "mode": 1, "expires_at": note.body.expires_at}
    return an_envelope(NETWORK, Kind.RETRACTION, **(values | changes))


def told_to(effects: Sequence[Effect]) -> list[Account]:
    return [account for each in deliveries(effects) for group in each.groups for account in group.accounts]


def recorded(effects: Sequence[Effect]) -> list[Any]:
    return [write.audiences for write in only(effects, Store).writes if isinstance(write, Record)]


def test_a_retraction_goes_to_whom_its_target_is_for() -> None:
    engine = an_engine()
    for account in (BOB, CAROL):
        subscribe(engine, account)
        engine.handle(ListenerCame(account), NOW)
    everybody, listed = a_note(NETWORK, 1), a_note(NETWORK, 3, audience=[CAROL])
    offer(engine, everybody, listed)
    effects = offer(engine, Part((taken_back(everybody),)))
    assert (set(told_to(effects)), recorded(effects)) == ({BOB, CAROL}, [(None,)])
    effects = offer(engine, Part((taken_back(listed, seq=4),)))
    assert (told_to(effects), recorded(effects)) == ([CAROL], [((CAROL,),)])


def test_what_the_store_was_asked_for_counts_like_what_was_decided_lately() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    part = a_note(NETWORK, 1)
    ready = [Offer(Published(1), [Candidate(Part((taken_back(part),)))])]
    effects = engine.handle(Offered(ready, 0, {part.envelopes[0].id: target_of(part.envelopes[0])}), NOW)
    assert (told_to(effects), recorded(effects)) == ([BOB], [(None,)])


@pytest.mark.parametrize("changes", [{"expires_at": NOW + 1_000}, {"topic": Topic(ALICE, "other")}])
def test_a_retraction_without_effect_is_shown_to_nobody(changes: dict[str, Any]) -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    subscribe(engine, BOB, seq=10, topic=Topic(ALICE, "other"))
    engine.handle(ListenerCame(BOB), NOW)
    offer(engine, part := a_note(NETWORK, 1))
    effects = offer(engine, Part((taken_back(part, **changes),)))
    assert (told_to(effects), recorded(effects)) == ([], [((),)])


def test_one_that_came_before_its_target_is_shown_when_that_comes() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    part = a_note(NETWORK, 1)
    early = Part((taken_back(part),))
    effects = offer(engine, early)
    assert (told_to(effects), recorded(effects)) == ([], [((),)])
    came = offer(engine, part)
    assert [write for write in only(came, Store).writes if isinstance(write, Scheduled)] == [Scheduled(2, NOW)]
    effects = engine.handle(DueCame([(2, NOW, (early, 0), False)]), NOW)
    assert told_to(effects) == [BOB]
    assert [write for write in only(effects, Store).writes] == [DueRecord(4, 2, NOW, None, encode_frame([early]))]


def test_one_whose_target_is_gone_when_its_turn_comes_is_taken_off() -> None:
    part = a_note(NETWORK, 1)
    effects = an_engine().handle(DueCame([(2, NOW, (Part((taken_back(part),)), 0), False)]), NOW)
    assert only(effects, Store).writes == [Unscheduled(2, NOW)]


def test_an_older_one_with_the_same_collapse_key_is_not_delivered_after_the_newer() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    older, newer = a_note(NETWORK, 1, collapse="price"), a_note(NETWORK, 2, collapse="price")
    assert told_to(offer(engine, newer)) == [BOB]
    effects = offer(engine, older)
    assert told_to(effects) == []
    (decision,) = [w for w in only(effects, Store).writes if isinstance(w, DecisionRecord)]
    assert (decision.verdict, decision.reason, decision.rule) == ("drop", Reason.REPLACED, "collapsed")


def test_what_was_not_stored_after_all_takes_nobodys_place_and_is_nobodys_target() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    newer = a_note(NETWORK, 2, collapse="price")
    lost = only(offer(engine, newer), Store).writes
    engine.handle(StoreFailed(lost), NOW)
    assert told_to(offer(engine, a_note(NETWORK, 1, collapse="price"))) == [BOB]
    assert told_to(offer(engine, Part((taken_back(newer, seq=3),)))) == []


def test_one_that_turns_out_void_gives_the_place_back() -> None:
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    offer(engine, a_note(NETWORK, 2, collapse="price"))
    offer(engine, a_note(NETWORK, 2, collapse="price", title="another in its slot"))
    assert told_to(offer(engine, a_note(NETWORK, 1, collapse="price"))) == [BOB]
