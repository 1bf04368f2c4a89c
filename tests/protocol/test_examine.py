from collections.abc import Sequence

from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Parameters
from support.bodies import ISSUED_AT, a_network
from support.envelopes import ALICE, NOW, a_note, a_run
from support.signed import a_signed_note, a_signed_run, parts_of

NETWORK = a_network()
LATER = ISSUED_AT + 1_000_000


def told(failures: Sequence[Refusal | None]) -> list[str | None]:
    return [None if failure is None else str(failure.reason) for failure in failures]


def test_nothing_is_said_where_all_hold() -> None:
    assert cheap_failures(NETWORK, a_note(NETWORK), NOW) == ()
    assert cheap_failures(NETWORK, a_run(NETWORK, 5), NOW) == ()


def test_leaves_are_judged_by_the_clock_one_by_one() -> None:
    short, long = a_run(NETWORK, 2, expires_at=LATER), a_run(NETWORK, 2, expires_at=LATER + 1)
    mixed = Part((short.envelopes[0], long.envelopes[1]), long.statement)
    assert cheap_failures(NETWORK, mixed, LATER - 1) == ()
    assert told(cheap_failures(NETWORK, mixed, LATER)) == ["expired", None]
    assert told(cheap_failures(NETWORK, mixed, LATER + 1)) == ["expired", "expired"]


def test_the_slots_of_a_batch_are_judged_once_for_all_its_leaves() -> None:
    run = a_run(NETWORK, 3, first_seq=40)
    failures = cheap_failures(NETWORK, run, NOW)
    assert told(failures) == ["over-allowance"] * 3
    assert len(set(map(id, failures))) == 1


def test_the_clock_comes_before_slot_and_work() -> None:
    late_and_over = a_note(NETWORK, 40, expires_at=LATER)
    assert told(cheap_failures(NETWORK, late_and_over, NOW)) == ["over-allowance"]
    assert told(cheap_failures(NETWORK, late_and_over, LATER)) == ["expired"]


def test_what_comes_by_sync_may_be_old() -> None:
    much_later = ISSUED_AT + 10 * 3_600_000
    assert told(cheap_failures(NETWORK, a_note(NETWORK), much_later)) == ["too-old"]
    assert cheap_failures(NETWORK, a_note(NETWORK), much_later, by_sync=True) == ()


def test_a_listed_author_has_the_listed_allowance_unless_the_caller_knows_better() -> None:
    network = a_network(parameters=Parameters(0, 0, 0, {ALICE: 20}, {}))
    assert cheap_failures(network, a_note(network, 9), NOW) == ()
    assert told(cheap_failures(network, a_note(network, 10), NOW)) == ["over-allowance"]
    assert cheap_failures(network, a_note(network, 10), NOW, allowance=22) == ()
    assert told(cheap_failures(network, a_note(network, 9), NOW, allowance=0)) == ["over-allowance"]


def test_kept_refusals_hold_no_frames() -> None:
    (failure,) = cheap_failures(NETWORK, a_note(NETWORK, 40), NOW)
    assert failure is not None
    assert (failure.__traceback__, failure.__cause__, failure.__context__) == (None, None, None)


def test_an_envelope_rests_on_its_own_signature() -> None:
    (part,) = parts_of(a_signed_note(NETWORK))
    assert verify_one(NETWORK, claim_of(NETWORK, part)) is None
    forged = a_note(NETWORK, auth=Eip712(None, b"\x01" * 64 + b"\x1b", None))
    refusal = verify_one(NETWORK, claim_of(NETWORK, forged))
    assert refusal is not None and refusal.reason == "bad-signature"


def test_a_run_rests_on_its_statements_signature() -> None:
    assert verify_one(NETWORK, claim_of(NETWORK, a_signed_run(NETWORK, 4, first=2, size=2))) is None
    refusal = verify_one(NETWORK, claim_of(NETWORK, a_run(NETWORK, 4)))
    assert refusal is not None and refusal.reason == "bad-signature"
