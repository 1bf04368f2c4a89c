"""What took whose place, and against a twin that walks over everything."""

from random import Random
from typing import Any

import pytest

from pushmesh_node.engine import collapse as room
from pushmesh_node.engine.collapse import Collapses
from pushmesh_node.engine.recording import audience_of
from pushmesh_node.engine.retractions import Retractions
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.types import Account, EnvelopeId
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, ISSUED_AT, NOW, TOPIC, WALLET_RANGE, a_note, a_session, an_envelope

NETWORK = a_network()
TIMES: list[dict[str, Any]] = [{}, {}, {}, {"not_before": NOW}, {"not_before": NOW + 1}, {"expires_at": NOW}]
WALLETS = [BOB, CAROL, ALICE]


def a_keyed(seq: int, key: str = "price", **changes: Any) -> Envelope:
    (note,) = a_note(NETWORK, seq, collapse=key, **changes).envelopes
    return note


def after(*notes: Envelope, retractions: Retractions | None = None) -> Collapses:
    found = Collapses(Retractions(Authority()) if retractions is None else retractions)
    for note in notes:
        found.add(note)
    return found


def taker(found: Collapses, note: Envelope, account: Account = BOB, *, subscribed: bool = True) -> EnvelopeId | None:
    return found.taker_of(note, account, NOW, subscribed=subscribed)


OLD, NEW = a_keyed(1), a_keyed(2)


def test_the_newest_takes_the_place_of_the_older_ones_of_its_topic_and_key() -> None:
    middle = a_keyed(1, issued_at=ISSUED_AT + 1)
    newest = a_keyed(0, issued_at=ISSUED_AT + 2)
    found = after(middle, OLD, newest)
    assert [taker(found, note) for note in (OLD, middle, newest)] == [newest.id, newest.id, None]
    others = a_keyed(9, "other"), a_keyed(9, topic=Topic(ALICE, "other")), a_note(NETWORK, 9).envelopes[0]
    assert [taker(after(newest, *others[:2]), other) for other in others] == [None] * 3


def test_it_takes_it_for_those_alone_whom_both_are_for() -> None:
    old, listed, some = a_keyed(1), a_keyed(2, audience=[BOB]), a_keyed(3, audience=sorted([BOB, CAROL]))
    assert [taker(after(old, listed), old, account) for account in (BOB, CAROL)] == [listed.id, None]
    assert [taker(after(old, some), old, account) for account in WALLETS] == [some.id, some.id, None]
    to_bob = a_keyed(0, audience=[BOB])
    assert [taker(after(NEW), to_bob, subscribed=subscribed) for subscribed in (True, False)] == [NEW.id, None]


@pytest.mark.parametrize("changes", [{"not_before": NOW + 1}, {"expires_at": NOW}])
def test_one_whose_time_has_not_come_or_is_over_takes_nobodys_place(changes: dict[str, Any]) -> None:
    assert taker(after(a_keyed(2, **changes)), OLD) is None


def test_what_takes_a_place_for_all_is_wanted_by_whoever_wanted_the_older() -> None:
    old = a_keyed(1, priority=3, category="news")
    passing: list[dict[str, Any]] = [{}, {"priority": 4}, {"category": None}, {"priority": 3}]
    held: list[dict[str, Any]] = [{"priority": 2}, {"category": "sales"}, {"category": "sales", "priority": 5}]
    usual: dict[str, Any] = {"priority": 3, "category": "news"}
    found = [after(old, a_keyed(2, **(usual | changes))).taker_for_all(old, NOW) for changes in (*passing, *held)]
    assert [taker is not None for taker in found] == [True] * 4 + [False] * 3


def test_one_that_was_taken_back_or_whose_key_was_revoked_before_gives_way() -> None:
    authority = Authority()
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=20)
    authority.add(grant)
    retractions = Retractions(authority)
    by_key = a_keyed(WALLET_RANGE, auth=a_session(grant))
    found = after(OLD, by_key, retractions=retractions)
    values: dict[str, Any] = {"target": by_key.id, "expires_at": by_key.body.expires_at, "topic": TOPIC}
    retractions.add(an_envelope(NETWORK, Kind.RETRACTION, seq=5, **values), 1)
    assert taker(found, OLD) is None
    found = after(OLD, by_key, retractions=Retractions(authority))
    assert taker(found, OLD) == by_key.id
    cut: dict[str, Any] = {"cut_time": ISSUED_AT - 1, "cut_seq": 0}
    authority.add(an_envelope(NETWORK, Kind.REVOCATION, ALICE, seq=21, grant_id=grant.id, **cut))
    assert taker(found, OLD) is None


def test_what_is_held_has_a_bound_and_what_expires_first_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    short = a_keyed(3, expires_at=NOW + 5)
    found = after(NEW, short, NEW)
    assert (len(found), taker(found, OLD)) == (2, short.id)
    monkeypatch.setattr(room, "MAX_COLLAPSING_BYTES", 2 * room._ONE_BYTES)
    found.add(a_keyed(0, "other"))
    assert (len(found), taker(found, OLD)) == (2, NEW.id)
    found.sweep(NEW.body.expires_at)
    assert (len(found), found._lines, found._bytes) == (0, {}, 0)


def test_no_content_is_kept() -> None:
    (_, slim), *_ = after(a_keyed(1, body="x" * 4_000, url="https://example.org"))._held.values()
    assert isinstance(slim.body, Notification)
    assert (slim.body.title, slim.body.body, slim.body.url, slim.body_bytes) == (None, None, None, b"")


def naive(
    notes: list[Envelope], gone: set[EnvelopeId], note: Envelope, account: Account, subscribed: bool
) -> bytes | None:
    def is_for(other: Notification) -> bool:
        return subscribed if other.audience is None else account in other.audience

    takers = [
        (each.order, each.id)
        for each in notes
        if isinstance(each.body, Notification)
        and isinstance(note.body, Notification)
        and each.id not in gone
        and (each.body.topic, each.body.collapse) == (note.body.topic, note.body.collapse)
        and each.order > note.order
        and each.body.expires_at > NOW
        and (each.body.not_before is None or each.body.not_before <= NOW)
        and is_for(each.body)
    ]
    return max(takers)[1] if takers else None


def test_it_answers_like_its_naive_twin_in_whatever_order_they_come(rng: Random) -> None:
    taken = 0
    for _ in range(60):
        notes = [
            a_keyed(
                rng.randrange(4),
                rng.choice(["a", "a", "b"]),
                issued_at=ISSUED_AT + rng.randrange(3),
                title=f"note {n}",
                audience=rng.choice([None, None, [BOB], sorted(rng.sample(WALLETS, 2))]),
                **rng.choice(TIMES),
            )
            for n in range(rng.randint(2, 12))
        ]
        rng.shuffle(notes)
        gone = {note.id for note in rng.sample(notes, len(notes) // 4)}
        found = after(*notes)
        for id_ in gone:
            assert found.withdraw(EnvelopeId(id_)) and not found.withdraw(EnvelopeId(id_))
        for note in notes:
            for account in WALLETS:
                subscribed = rng.random() < 0.7
                expected = naive(notes, gone, note, account, subscribed)
                assert taker(found, note, account, subscribed=subscribed) == expected
                taken += expected is not None
            if audience_of(note) is None and found.is_same_for_all(note):
                assert {taker(found, note, account) for account in WALLETS} == {found.taker_for_all(note, NOW)}
                assert found.taker_of(note, BOB, NOW, subscribed=True, wants=lambda _newer: False) is None
    assert taken > 200


def test_however_many_do_not_count_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender who lists others, or takes back what it sent, must not make each reader of its topic search for ever."""
    monkeypatch.setattr(room, "MOST_LOOKED_AT", 3)
    looked = 0

    def wants(_newer: Notification) -> bool:
        nonlocal looked
        looked += 1
        return False

    found = after(OLD, *(a_keyed(seq) for seq in range(2, 40)))
    assert found.taker_of(OLD, BOB, NOW, subscribed=True, wants=wants) is None
    assert looked == 3
    for_others = [a_keyed(seq, audience=[ALICE, CAROL]) for seq in range(3, 8)]
    assert taker(after(OLD, a_keyed(2, audience=[ALICE, BOB]), *for_others[:2]), OLD) is not None
    assert taker(after(OLD, a_keyed(2, audience=[ALICE, BOB]), *for_others), OLD) is None
