from collections.abc import Sequence

import pytest

from pushmesh_node.engine import targets as room
from pushmesh_node.engine.records import Target
from pushmesh_node.engine.targets import Targets, shown_to, target_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import ALICE, BOB, CAROL, TOPIC, a_note, an_envelope

NETWORK = a_network()
(NOTE,) = a_note(NETWORK, 1).envelopes
(LISTED,) = a_note(NETWORK, 2, audience=[BOB]).envelopes
ENDS = NOTE.body.expires_at


def taken_back(target: Envelope, ends_at: int = ENDS, topic: Topic = TOPIC) -> Envelope:
    return an_envelope(NETWORK, Kind.RETRACTION, seq=9, target=target.id, expires_at=ends_at, topic=topic)


def test_a_notification_says_itself_whom_it_is_for_and_a_retraction_goes_by_its_target() -> None:
    found = Targets()
    assert (found.audience_of(NOTE), found.audience_of(LISTED), found.audience_of(taken_back(NOTE))) == (
        None,
        (BOB,),
        (),
    )
    found.add(NOTE)
    found.begin({LISTED.id: target_of(LISTED)})
    assert (found.audience_of(taken_back(NOTE)), found.audience_of(taken_back(LISTED))) == (None, (BOB,))
    found.begin({})
    assert (found.audience_of(taken_back(NOTE)), found.audience_of(taken_back(LISTED))) == (None, ())
    assert found.audiences_of(Part((taken_back(NOTE),))) == (None,)
    assert found.audiences_of(Part((LISTED,))) == ((BOB,),)


@pytest.mark.parametrize(
    ("ends_at", "topic", "shown"),
    [(ENDS, TOPIC, None), (ENDS + 1, TOPIC, None), (ENDS - 1, TOPIC, ()), (ENDS, Topic(ALICE, "other"), ())],
)
def test_one_without_effect_is_for_nobody(ends_at: int, topic: Topic, shown: Sequence[bytes] | None) -> None:
    assert shown_to(taken_back(NOTE, ends_at, topic), {NOTE.id: Target(TOPIC, ENDS, None)}) == shown


def test_what_no_look_up_has_seen_is_kept_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GENERATION", 2)
    notes = [a_note(NETWORK, seq).envelopes[0] for seq in range(20)]
    found = Targets()
    for commit_no, note in enumerate(notes, 1):
        found.let_go(0, commit_no - 1)
        found.add(note)
    assert all(found.audience_of(taken_back(note)) is None for note in notes)
    found.let_go(12, 20)
    known = [found.audience_of(taken_back(note)) is None for note in notes]
    assert not known[0] and all(known[12:])
    found.forget([notes[-1].id])
    assert found.audience_of(taken_back(notes[-1])) == ()


def test_where_lists_are_long_fewer_notifications_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_LISTED", 3)
    notes = [a_note(NETWORK, seq, audience=[BOB, CAROL]).envelopes[0] for seq in range(9)]
    found = Targets()
    for commit_no, note in enumerate(notes):
        found.let_go(commit_no, commit_no)
        found.add(note)
    known = [found.audience_of(taken_back(note)) == (BOB, CAROL) for note in notes]
    assert not any(known[:4]) and all(known[-2:])
