import pytest

from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.frames import Part
from pushmesh_protocol.judge import allowance_asked, check_clock, check_slot, clock_window
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network, Parameters
from pushmesh_protocol.work import find_work, work_bits
from support.bodies import ISSUED_AT, a_network
from support.envelopes import ALICE, WALLET_RANGE, a_note, a_run, a_session, an_envelope
from support.refusals import refusal_of

HOUR_MS = 3_600_000
NETWORK = a_network(epoch_origin_ms=ISSUED_AT - 10 * HOUR_MS)
NOTE = a_note(NETWORK).envelopes[0]


def test_an_envelope_holds_until_its_last_millisecond() -> None:
    expires_at = ISSUED_AT + 500_000
    envelope = a_note(NETWORK, expires_at=expires_at).envelopes[0]
    check_clock(NETWORK, envelope, expires_at - 1)
    assert refusal_of(check_clock, NETWORK, envelope, expires_at) == ("expired", "7.2")


def test_the_epoch_of_issue_and_the_next_are_taken_and_no_later_one() -> None:
    check_clock(NETWORK, NOTE, ISSUED_AT + 2 * HOUR_MS - 1)
    assert refusal_of(check_clock, NETWORK, NOTE, ISSUED_AT + 2 * HOUR_MS) == ("too-old", "7.3")
    check_clock(NETWORK, NOTE, ISSUED_AT + 2 * HOUR_MS, by_sync=True)


def test_expired_envelopes_are_refused_by_sync_too() -> None:
    assert refusal_of(check_clock, NETWORK, NOTE, NOTE.body.expires_at, by_sync=True) == ("expired", "7.2")


@pytest.mark.parametrize("by_sync", [False, True])
def test_a_minute_ahead_is_taken_and_no_more(by_sync: bool) -> None:
    check_clock(NETWORK, NOTE, ISSUED_AT - 60_000, by_sync=by_sync)
    late = refusal_of(check_clock, NETWORK, NOTE, ISSUED_AT - 60_001, by_sync=by_sync)
    assert late == ("ahead-of-time", "7.4")


# Slots (SPEC 6.3): n + c <= allowance / 2


@pytest.mark.parametrize(
    ("seq", "size", "allowance", "within"),
    [(0, 10, 2, True), (1, 10, 2, False), (31, 10, 64, True), (32, 10, 64, False), (31, 10, 63, False),
     (29, 4_000, 64, True), (30, 4_000, 64, False), (0, 10, 0, False), (0, 10, 1, False)],
)  # fmt: skip
def test_an_allowance_reaches_to_its_half(seq: int, size: int, allowance: int, within: bool) -> None:
    envelope = a_note(NETWORK, seq, body="x" * size).envelopes[0]
    if within:
        check_slot(NETWORK, envelope, allowance)
    else:
        assert refusal_of(check_slot, NETWORK, envelope, allowance) == ("over-allowance", "6.4")


def test_a_session_key_has_a_half_of_its_own() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=20)
    envelope = a_note(NETWORK, WALLET_RANGE + 3, auth=a_session(grant)).envelopes[0]
    check_slot(NETWORK, envelope, 8)
    assert refusal_of(check_slot, NETWORK, envelope, 7) == ("over-allowance", "6.4")


def test_a_batch_is_within_allowance_when_its_last_slot_is() -> None:
    leaf = a_run(NETWORK, 5, first_seq=3).envelopes[0]
    check_slot(NETWORK, leaf, 16)
    assert refusal_of(check_slot, NETWORK, leaf, 15) == ("over-allowance", "6.4")


# Work (SPEC 6.4)


def asks(bits: int) -> Network:
    return a_network(parameters=Parameters(0, 0, 0, {}, {int(Kind.NOTIFICATION): bits}))


def test_work_that_is_enough_is_taken_and_a_bit_less_is_not() -> None:
    network = asks(6)
    envelope = a_note(network, 5).envelopes[0]
    nonce = find_work(envelope.id, 6)
    worth = work_bits(envelope.id, nonce)
    worked = a_note(network, 5, auth=Eip712(None, b"\x01" * 65, nonce)).envelopes[0]
    check_slot(asks(worth), worked, 0)
    assert refusal_of(check_slot, asks(worth + 1), worked, 0) == ("not-enough-work", "6.4")


def test_a_batch_works_once_over_its_root_for_all_its_leaves() -> None:
    network = asks(4)
    root = a_run(network, 5).envelopes[0].statement.root  # type: ignore[union-attr]  # a run has a statement
    nonce = find_work(root, 7)  # 4 bits, and 3 more for 5 slots
    leaf = a_run(network, 5, auth=Eip712(None, b"\x01" * 65, nonce)).envelopes[3]
    worth = work_bits(root, nonce)
    check_slot(asks(worth - 3), leaf, 0)
    assert refusal_of(check_slot, asks(worth - 2), leaf, 0) == ("not-enough-work", "6.4")


def test_work_where_none_is_needed_is_refused() -> None:
    worked = a_note(NETWORK, auth=Eip712(None, b"\x01" * 65, 0)).envelopes[0]
    assert refusal_of(check_slot, NETWORK, worked, 64) == ("work-not-needed", "6.4")


@pytest.mark.parametrize("life_ms", [1, 90_000, HOUR_MS, 3 * HOUR_MS])
def test_the_clock_window_is_where_the_clock_check_passes(life_ms: int) -> None:
    envelope = a_note(NETWORK, expires_at=ISSUED_AT + life_ms).envelopes[0]
    begins_ms, ends_ms = clock_window(NETWORK, envelope)
    for now_ms in (begins_ms, begins_ms + 1, ISSUED_AT, ends_ms - 1):
        check_clock(NETWORK, envelope, now_ms)
    for now_ms in (begins_ms - 1, ends_ms, ends_ms + 1):
        assert refusal_of(check_clock, NETWORK, envelope, now_ms)


@pytest.mark.parametrize("part", [a_note(NETWORK, 9), a_run(NETWORK, 5, 3)])
def test_what_is_asked_is_the_least_allowance_that_is_enough(part: Part) -> None:
    first = part.envelopes[0]
    asked = allowance_asked(NETWORK, first)
    check_slot(NETWORK, first, asked)
    assert refusal_of(check_slot, NETWORK, first, asked - 1) == ("over-allowance", "6.4")
