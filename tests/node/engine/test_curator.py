from typing import Any

import pytest

from pushmesh_node.curation import NO_POLICY, Decision, Policy, compile_policy
from pushmesh_node.engine import curator as room
from pushmesh_node.engine.collapse import Collapses
from pushmesh_node.engine.curator import DELIVERS, Curator
from pushmesh_node.engine.effects import Group
from pushmesh_node.engine.retractions import Retractions
from pushmesh_node.engine.subscriptions import Subscriptions
from pushmesh_node.engine.versions import Versions
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, Preference, SettingChoice
from pushmesh_protocol.kinds.preferences import MUTE
from pushmesh_protocol.kinds.topic import RANGE, Setting
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, ISSUED_AT, NOW, TOPIC, a_note, an_envelope

NETWORK = a_network()
(NOTE,) = a_note(NETWORK).envelopes
ENDS = NOTE.body.expires_at


def a_curator(*, policy: Policy = NO_POLICY, subscriber: Any = BOB, retraction: Envelope | None = None) -> Curator:
    authority = Authority()
    subscriptions, topics, retractions = Subscriptions(authority), Versions[Topic](authority), Retractions(authority)
    subscriptions.add(an_envelope(NETWORK, Kind.SUBSCRIPTION, subscriber, topic=TOPIC))
    if retraction is not None:
        retractions.add(retraction, 1)
    return Curator(subscriptions, topics, retractions, Collapses(retractions), policy)


def preferences(at: int = 0, *, muted: bool = True, author: Account = BOB, **changes: Any) -> Envelope:
    entries = [Preference(MUTE, ALICE)] if muted else []
    times = {"issued_at": ISSUED_AT + at, "expires_at": ISSUED_AT + 86_400_000 + at}
    values: dict[str, Any] = {"seq": 0, "entries": entries} | times | changes
    return an_envelope(NETWORK, Kind.PREFERENCES, author, private=True, **values)


def test_a_subscriber_gets_it_now_and_a_stranger_does_not() -> None:
    assert a_curator().decide(NOTE, BOB, NOW).verdict in DELIVERS
    assert a_curator(subscriber=CAROL).decide(NOTE, BOB, NOW).verdict not in DELIVERS


def test_the_wallets_preferences_count_for_it_alone() -> None:
    curator = a_curator()
    assert curator.set_preferences(preferences())
    assert curator.decide(NOTE, BOB, NOW).reason is Reason.MUTED_BY_WALLET
    other = a_curator(subscriber=CAROL)
    other.set_preferences(preferences())
    assert other.decide(NOTE, CAROL, NOW).verdict in DELIVERS


def test_preferences_have_a_bound_in_all_that_a_wallets_own_do_not_count_twice_against(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curator, held, other = a_curator(), preferences(), preferences(1, author=CAROL)
    monkeypatch.setattr(room, "MAX_PREFERENCES_BYTES", len(held.body_bytes))
    assert curator.has_room(held) and curator.set_preferences(held)
    assert curator.has_room(preferences(1))
    assert not curator.has_room(other)
    curator.set_preferences(preferences(1))
    curator.sweep(held.body.expires_at)
    assert not curator.has_room(other)  # the newer ones are still there
    curator.sweep(held.body.expires_at + 1)
    assert curator.preferences_of(BOB) is None and curator.has_room(other)


def test_only_newer_preferences_replace_what_is_held() -> None:
    curator = a_curator()
    assert curator.preferences_of(BOB) is None
    assert curator.set_preferences(preferences(1))
    assert not curator.set_preferences(preferences(1))
    assert not curator.set_preferences(preferences(0, muted=False))
    assert curator.preferences_of(BOB) == preferences(1)
    assert curator.set_preferences(preferences(2, muted=False))
    assert curator.decide(NOTE, BOB, NOW).verdict in DELIVERS


def test_expired_preferences_no_longer_count() -> None:
    curator = a_curator()
    curator.set_preferences(preferences(expires_at=NOW + 5))
    reasons = [curator.decide(NOTE, BOB, UnixMs(NOW + at)).reason for at in (4, 5)]
    assert reasons == [Reason.MUTED_BY_WALLET, Reason.SUBSCRIBED]


def test_an_expired_subscription_is_none() -> None:
    curator = a_curator()
    late = an_envelope(NETWORK, Kind.NOTIFICATION, seq=1, expires_at=ISSUED_AT + 30 * 86_400_000)
    subscription_ends = UnixMs(ISSUED_AT + 86_400_000)
    assert curator.decide(late, BOB, UnixMs(subscription_ends - 1)).verdict in DELIVERS
    assert curator.decide(late, BOB, subscription_ends).verdict not in DELIVERS


def test_the_operators_policy_and_retractions_count() -> None:
    denied = a_curator(policy=compile_policy(deny=[ALICE])).decide(NOTE, BOB, NOW)
    assert denied.reason is Reason.DENIED_BY_OPERATOR
    retraction = an_envelope(
        NETWORK, Kind.RETRACTION, seq=2, target=NOTE.id, topic=TOPIC, expires_at=NOTE.body.expires_at
    )
    assert a_curator(retraction=retraction).decide(NOTE, BOB, NOW).reason is Reason.RETRACTED


def test_an_explanation_comes_to_the_same_decision() -> None:
    curator = a_curator()
    curator.set_preferences(preferences())
    assert curator.explain(NOTE, BOB, NOW, void=False).decision == curator.decide(NOTE, BOB, NOW)
    assert curator.explain(NOTE, BOB, NOW, void=True).decision.reason is Reason.SLOT_VOID


def test_what_is_recorded_names_the_policies_it_rests_on() -> None:
    policy = compile_policy(deny=[CAROL])
    curator = a_curator(policy=policy)
    bare = curator.record(BOB, 7, curator.decide(NOTE, BOB, NOW), NOW)
    assert (bare.account, bare.commit_no, bare.decided_at, bare.policy_hash) == (BOB, 7, NOW, policy.hash)
    curator.set_preferences(preferences())
    muted = curator.record(BOB, 7, curator.decide(NOTE, BOB, NOW), NOW)
    assert muted.reason == Reason.MUTED_BY_WALLET
    assert muted.preferences_hash != bare.preferences_hash


def test_many_wallets_are_decided_as_each_alone_and_grouped_by_what_becomes_of_it() -> None:
    curator = a_curator()
    curator.set_preferences(preferences(author=CAROL))
    groups, held = curator.decide_groups(NOTE, curator.divide(TOPIC, [BOB, CAROL], NOW), NOW, late=False)
    assert groups == [Group("now", Reason.SUBSCRIBED, [BOB])]
    assert held == [(CAROL, curator.decide(NOTE, CAROL, NOW))]


def test_of_plain_subscribers_one_is_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    curator, asked = a_curator(), list[Account]()
    for account in (CAROL, ALICE):
        curator._subscriptions.add(an_envelope(NETWORK, Kind.SUBSCRIPTION, account, topic=TOPIC))
    curator.set_preferences(preferences(author=CAROL, muted=False))
    decide = curator.decide

    def ask(envelope: Envelope, account: Account, now_ms: UnixMs, **facts: Any) -> Decision:
        asked.append(account)
        return decide(envelope, account, now_ms, **facts)

    monkeypatch.setattr(curator, "decide", ask)
    groups, _ = curator.decide_groups(NOTE, curator.divide(TOPIC, [BOB, CAROL, ALICE], NOW), NOW, late=False)
    assert [set(group.accounts) for group in groups] == [{BOB, ALICE, CAROL}]
    assert asked == [BOB, CAROL]


def test_a_subscribers_settings_count_within_what_the_topic_says() -> None:
    curator = a_curator(subscriber=CAROL)
    wish = [SettingChoice("min-priority", 4)]
    curator._subscriptions.add(an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, topic=TOPIC, settings=wish))
    assert curator.decide(NOTE, BOB, NOW).reason is Reason.BELOW_MINIMUM
    narrow = [Setting("min-priority", RANGE, "Least", 1, 1, 3)]
    curator._topics.add(TOPIC, an_envelope(NETWORK, Kind.TOPIC, ALICE, topic=TOPIC, settings=narrow))
    assert curator.decide(NOTE, BOB, NOW).verdict in DELIVERS
    strict = [Setting("min-priority", RANGE, "Least", 5, 1, 5)]
    newer = an_envelope(NETWORK, Kind.TOPIC, ALICE, topic=TOPIC, settings=strict, issued_at=ISSUED_AT + 1)
    curator._topics.add(TOPIC, newer)
    assert [curator.decide(NOTE, account, NOW).reason for account in (BOB, CAROL)] == [Reason.BELOW_MINIMUM] * 2


def test_compiled_settings_are_bounded_and_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_COMPILED", 1)
    curator = a_curator()
    for seq, account in ((1, BOB), (2, CAROL)):
        wish = [SettingChoice("min-priority", 4)]
        word: dict[str, Any] = {"settings": wish, "issued_at": ISSUED_AT + 1}
        curator._subscriptions.add(an_envelope(NETWORK, Kind.SUBSCRIPTION, account, seq=seq, topic=TOPIC, **word))
    for account in (BOB, CAROL, BOB):
        assert curator.decide(NOTE, account, NOW).reason is Reason.BELOW_MINIMUM
    assert len(curator._compiled) == 1


def test_what_waited_is_outdated_once_it_expired_was_taken_back_or_gave_its_place() -> None:
    older, newer = (a_note(NETWORK, seq, collapse="price").envelopes[0] for seq in (1, 2))
    curator = a_curator()
    assert not curator.is_outdated(NOTE, BOB, UnixMs(NOTE.body.expires_at - 1))
    assert curator.is_outdated(NOTE, BOB, UnixMs(NOTE.body.expires_at))
    retraction = an_envelope(NETWORK, Kind.RETRACTION, seq=2, target=NOTE.id, topic=TOPIC, expires_at=ENDS)
    assert a_curator(retraction=retraction).is_outdated(NOTE, None, NOW)
    assert not a_curator(retraction=retraction).is_outdated(retraction, BOB, NOW)
    assert not curator.is_outdated(older, BOB, NOW)
    curator._collapses.add(newer)
    told = [curator.is_outdated(older, account, NOW) for account in (BOB, CAROL, None)]
    assert told == [True, False, True]  # Carol subscribed to nothing
