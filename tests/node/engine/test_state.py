from typing import Any

import pytest

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.state import State
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind, NodeBinding
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId
from support.bodies import a_network
from support.envelopes import (
    ALICE,
    BOB,
    ISSUED_AT,
    NOW,
    TOPIC,
    WALLET_AUTH,
    WALLET_RANGE,
    a_note,
    a_session,
    an_envelope,
)

NETWORK = a_network()
NODE = b"\x0a" * 32
END = NOW + 5

(TARGET,) = a_note(NETWORK, 1).envelopes
SUBSCRIPTION = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=2, topic=TOPIC, on=True, expires_at=END)
DETAILS = an_envelope(NETWORK, Kind.TOPIC, seq=3, topic=TOPIC, expires_at=END)
RETRACTION = an_envelope(
    NETWORK, Kind.RETRACTION, seq=4, topic=TOPIC, target=TARGET.id, expires_at=TARGET.body.expires_at
)
KEYED = an_envelope(NETWORK, Kind.NOTIFICATION, seq=5, topic=TOPIC, collapse="price", expires_at=END)
BINDING = Envelope(
    EnvelopeId(bytes(32)),
    Kind.NODE_BINDING,
    ALICE,
    NodeBinding(ISSUED_AT, 6, END, None, NODE, bytes(64)),
    b"",
    WALLET_AUTH,
    1,
)
EVERYTHING = (SUBSCRIPTION, DETAILS, RETRACTION, KEYED, BINDING)


def a_state(*envelopes: Envelope, void: bool = False) -> State:
    state = State(NETWORK, NO_POLICY)
    for commit_no, envelope in enumerate(envelopes, 1):
        state.apply(envelope, commit_no, void=void)
    return state


def told(state: State) -> dict[Kind, bool]:
    """What of each kind counts, by the questions that others ask."""
    return {
        Kind.SUBSCRIPTION: BOB in state.subscriptions.subscribers(TOPIC),
        Kind.TOPIC: state.topics.in_force(TOPIC, NOW) is not None,
        Kind.RETRACTION: state.retractions.of(TARGET) is not None,
        Kind.NOTIFICATION: len(state.collapses) > 0,
        Kind.NODE_BINDING: bool(state.operators.of(NODE, NOW)),
    }


@pytest.mark.parametrize("envelope", EVERYTHING, ids=lambda envelope: envelope.kind.name.lower())
def test_each_kind_changes_what_it_is_for_and_a_withdrawn_one_leaves_nothing_behind(envelope: Envelope) -> None:
    state = a_state(envelope)
    assert [kind for kind, counts in told(state).items() if counts] == [envelope.kind]
    state.withdraw(envelope.id)
    assert not any(told(state).values())


def test_nothing_counts_in_a_void_slot_but_what_acts_all_the_same() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, seq=20)
    word = an_envelope(NETWORK, Kind.NOTIFICATION, seq=WALLET_RANGE, topic=TOPIC, auth=a_session(grant))
    state = a_state(*EVERYTHING, grant, void=True)
    assert not any(told(state).values())
    state.authority.check(word)
    assert state.grants.find(grant.id) == grant
    state.apply(an_envelope(NETWORK, Kind.REVOCATION, seq=21, grant_id=grant.id, cut_seq=0), 7, void=True)
    with pytest.raises(Refusal) as refused:
        state.authority.check(word)
    assert refused.value.reason is Reason.GRANT_REVOKED


def test_a_subscription_by_a_key_counts_from_its_grant_to_the_keys_cut() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, BOB, seq=20, scopes=[Kind.SUBSCRIPTION])
    word = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=WALLET_RANGE, topic=TOPIC, on=True, auth=a_session(grant))
    state = a_state(grant, word)
    assert BOB in state.subscriptions.subscribers(TOPIC)
    state.apply(an_envelope(NETWORK, Kind.REVOCATION, BOB, seq=21, grant_id=grant.id, cut_seq=0), 3, void=False)
    assert BOB not in state.subscriptions.subscribers(TOPIC)


def test_a_sweep_forgets_what_is_over_and_nothing_else() -> None:
    state = a_state(*EVERYTHING)
    lasting = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, seq=9, topic=Topic(ALICE, "other"), on=True)
    state.apply(lasting, 9, void=False)
    state.sweep(END + 1)
    assert [kind for kind, counts in told(state).items() if counts] == [Kind.RETRACTION]  # its target lives on
    assert state.subscriptions.of(BOB, END + 1) == [lasting]


@pytest.mark.parametrize("kind", [Kind.PREFERENCES, Kind.PRIVATE_SUBSCRIPTION])
def test_the_newer_of_two_private_envelopes_stays(kind: Kind) -> None:
    values: dict[str, Any] = {} if kind is Kind.PREFERENCES else {"topic": TOPIC}
    older, newer = (
        an_envelope(NETWORK, kind, BOB, private=True, issued_at=ISSUED_AT + later_ms, **values) for later_ms in (0, 1)
    )
    state = a_state()
    assert state.has_room_for(newer)
    assert [state.set_private(each) for each in (newer, older, newer)] == [True, False, False]


def test_who_has_very_many_grants_is_reconsidered_once_when_all_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    state = a_state()
    reconsidered: list[Account] = []
    once = state.subscriptions.reconsider

    def noted(author: Account) -> None:
        reconsidered.append(author)
        once(author)

    monkeypatch.setattr(state.subscriptions, "reconsider", noted)
    grant = an_envelope(NETWORK, Kind.GRANT, BOB, seq=1, scopes=[4])
    others = [an_envelope(NETWORK, Kind.GRANT, BOB, seq=seq, key=b"k" * 32) for seq in range(2, 20)]
    by_key = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, topic=TOPIC, seq=WALLET_RANGE, auth=a_session(grant))
    cut = an_envelope(NETWORK, Kind.REVOCATION, BOB, seq=20, grant_id=grant.id, cut_time=NOW, cut_seq=0)
    for number, word in enumerate([grant, by_key, *others, cut], 1):
        state.restore([(number, word, False)], more=True)
    assert reconsidered == []
    state.restore([], more=False)
    assert reconsidered == [BOB]
    assert state.subscriptions.in_force(BOB, TOPIC, NOW) is None
