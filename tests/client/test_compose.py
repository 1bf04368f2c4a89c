from dataclasses import replace

import pytest

from pushmesh_client.compose import (
    Draft,
    audience_of,
    body_cost,
    check_before_signing,
    check_leaf_before_signing,
    frames_of_batch,
    notification_of,
    seq_range,
    signed_batch,
    signed_envelope,
)
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.auth.verify import envelope_claim, statement_claim, verify_claims
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import AccountError, Refusal
from pushmesh_protocol.frames import Part, open_frame, open_publish
from pushmesh_protocol.judge import check_slot
from pushmesh_protocol.kinds import Kind, SettingChoice, Subscription
from pushmesh_protocol.network import Parameters
from pushmesh_protocol.reasons import Reason
from support.bodies import ISSUED_AT, a_network
from support.wallets import GENEROUS, a_note, a_signed_batch, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER = a_wallet()
TOPIC = Topic(OWNER.account, "alerts")


def test_a_draft_becomes_the_body_that_it_says() -> None:
    draft = Draft(title="T", body="B", to=[a_wallet(3).display, a_wallet(2).account], actions=[("Go", "https://a.b")])
    body = notification_of(draft, TOPIC, ISSUED_AT, 5)
    assert body.audience == sorted([a_wallet(2).account, a_wallet(3).account])
    assert (body.title, body.body, body.url, body.seq, body.topic) == ("T", "B", None, 5, TOPIC)
    assert body.expires_at == ISSUED_AT + draft.life_ms


def test_recipients_are_named_once_and_nobody_named_is_everybody() -> None:
    assert audience_of([OWNER.display, OWNER.account]) == [OWNER.account]
    assert audience_of(None) is None
    with pytest.raises(AccountError):
        audience_of(["vitalik.eth"])


def test_a_signed_envelope_is_what_a_node_accepts() -> None:
    envelope = a_signed_note(NETWORK, OWNER, ISSUED_AT)
    claim = envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
    assert verify_claims(NETWORK, [claim]) == [None]
    check_slot(NETWORK, envelope, allowance=2**16)


def test_work_is_done_exactly_where_there_is_no_allowance() -> None:
    network = a_network(parameters=Parameters(0, 0, 0, {}, {Kind.NOTIFICATION: 4}))
    envelope = a_signed_note(network, OWNER, ISSUED_AT)
    check_slot(network, envelope, allowance=0)
    assert envelope.auth.work is not None
    assert a_signed_note(NETWORK, OWNER, ISSUED_AT).auth.work is None


def test_a_body_that_breaks_a_rule_is_refused_before_it_leaves() -> None:
    with pytest.raises(Refusal, match="topic's owner"):
        signed_envelope(NETWORK, OWNER.key, OWNER.account, Kind.NOTIFICATION, a_note(a_wallet(2), ISSUED_AT, 1))


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_one_signature_covers_every_leaf_of_a_batch(count: int) -> None:
    batch = a_signed_batch(NETWORK, OWNER, ISSUED_AT, count)
    assert batch.statement is not None
    assert verify_claims(NETWORK, [statement_claim(NETWORK, batch.statement)]) == [None]
    opened = open_publish(NETWORK, frames_of_batch(batch, 2**21, 2**18)[0])
    assert [envelope.body_bytes for envelope in opened.envelopes()] == [leaf.body_bytes for leaf in batch.envelopes]


def test_a_batch_with_a_wrong_leaf_is_refused_before_it_leaves() -> None:
    with pytest.raises(Refusal, match="seq"):
        signed_batch(NETWORK, OWNER.key, OWNER.account, [a_note(OWNER, ISSUED_AT, 1), a_note(OWNER, ISSUED_AT, 3)])


@pytest.mark.parametrize(("count", "limit"), [(5, 900), (64, 3000), (100, 5000), (33, 100_000)])
def test_a_large_batch_is_split_into_runs_that_each_lead_to_the_root(count: int, limit: int) -> None:
    batch = a_signed_batch(NETWORK, OWNER, ISSUED_AT, count)
    frames = frames_of_batch(batch, limit, 2000)
    assert all(len(frame) <= limit for frame in frames)
    ids = [envelope.id for frame in frames for envelope in open_frame(NETWORK, frame).envelopes()]
    assert ids == [leaf.id for leaf in batch.envelopes]


def test_seqs_lie_within_the_allowance_where_there_is_one() -> None:
    small = a_network(parameters=Parameters(0, 0, 64, {}, {}))
    assert seq_range(small, OWNER.account) == (0, 32)
    assert seq_range(small, OWNER.account, session=(2**31 + 8, 2**31 + 100)) == (2**31 + 8, 2**31 + 32)
    assert seq_range(small, OWNER.account, session=(2**31 + 50, 2**31 + 100)) == (2**31 + 50, 2**31 + 100)
    none = a_network(parameters=Parameters(0, 0, 0, {}, {}))
    assert seq_range(none, OWNER.account) == (0, 2**31)


def test_the_cost_that_is_reserved_is_never_below_the_real_one() -> None:
    for length in (1, 1750, 1760, 1800, 4000):
        text = "x" * length

        def fill(at: int, seq: int, text: str = text) -> object:
            return a_note(OWNER, at, seq, body=text)

        reserved = body_cost(NETWORK, Kind.NOTIFICATION, OWNER.account, fill, ISSUED_AT)  # type: ignore[arg-type]  # a body
        real = NETWORK.slot_cost(Kind.NOTIFICATION, OWNER.account, pack(fill(ISSUED_AT, 3)))
        assert real <= reserved <= real + 1


def test_a_session_key_signs_for_its_owner() -> None:
    key = SessionKey(b"\x05" * 32, b"\x06" * 32)
    body = a_note(OWNER, ISSUED_AT, 2**31 + 1)
    envelope: Envelope = signed_envelope(NETWORK, key, OWNER.account, Kind.NOTIFICATION, body)
    assert envelope.session is not None
    assert envelope.session.grant_id == b"\x06" * 32
    assert Part((envelope,)).envelopes == (envelope,)


def test_a_draft_that_is_to_be_sealed_and_is_not_becomes_no_body() -> None:
    with pytest.raises(ValueError, match="sealed first"):
        notification_of(Draft(title="secret", to=[OWNER.account], seal=True), TOPIC, ISSUED_AT, 1)


def test_a_field_that_is_too_long_is_named() -> None:
    for body in (a_note(OWNER, ISSUED_AT, 1, title="x" * 257), a_note(OWNER, ISSUED_AT, 1, category="Not A Slug")):
        field = "title" if body.title != "Price" else "category"
        with pytest.raises(Refusal, match=f"at {field}"):
            signed_envelope(NETWORK, OWNER.key, OWNER.account, Kind.NOTIFICATION, body)
        with pytest.raises(Refusal, match=f"at {field}"):
            signed_batch(NETWORK, OWNER.key, OWNER.account, [body])


def test_a_place_within_a_field_is_named_by_the_field() -> None:
    body = Subscription(ISSUED_AT, 1, ISSUED_AT + 1, TOPIC, True, [SettingChoice("Not A Slug", 1)], False)
    with pytest.raises(Refusal, match=r"at settings\[0\]\[0\] \(SPEC"):
        check_before_signing(NETWORK, Kind.SUBSCRIPTION, OWNER.account, body)


def test_a_leaf_may_be_as_large_as_the_network_says_and_no_larger() -> None:
    room = NETWORK.limits.leaf_bytes - len(pack(a_note(OWNER, ISSUED_AT, 2**32 - 1, title="x", body="x" * 300)))
    fits = Draft(title="x", body="x" * (300 + room))
    check_leaf_before_signing(NETWORK, OWNER.account, TOPIC, fits, ISSUED_AT)
    with pytest.raises(Refusal) as said:
        check_leaf_before_signing(NETWORK, OWNER.account, TOPIC, replace(fits, body="x" * (301 + room)), ISSUED_AT)
    assert (said.value.reason, said.value.rule) == (Reason.BAD_BATCH_LEAF, "5.11")
