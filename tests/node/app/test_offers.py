from pushmesh_node.app.offers import (
    Finding,
    all_held,
    entry_of,
    failures_of,
    findings_of,
    hashes_to_remember,
    join_failures,
    offered_of,
    parts_of,
    slots_of,
)
from pushmesh_node.engine.events import CaughtUp, Gossiped
from pushmesh_node.engine.records import Holder
from pushmesh_node.gossip.rotating import RotatingCounter
from pushmesh_node.ipc import ItemVerdict
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import OpenFrame, Part
from pushmesh_protocol.limits import MAX_AUTHS_PER_ID
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.bodies import a_network
from support.envelopes import NOW, a_note, a_run

NETWORK = a_network()
NOTE = a_note(NETWORK, seq=3).envelopes[0]
SOURCE = Gossiped(b"\x0e" * 32, 7, 500)
EXPIRED = Refusal(Reason.EXPIRED, "7.2", "over")


def a_verdict(id: bytes = NOTE.id, verdict: int | None = Verdict.ACCEPT, **changes: object) -> ItemVerdict:
    values: dict[str, object] = {"reason": "ok", "item_hash": b"\x05" * 32, "known": False, "size_bytes": 90}
    return ItemVerdict(verdict=verdict, id=id, **(values | changes))  # type: ignore[arg-type]  # each test sets what it means


def a_holder(id: bytes) -> Holder:
    return Holder(3, 4, EnvelopeId(id), 1, True)


def test_the_grants_of_a_table_come_before_items_and_what_is_unreadable_keeps_its_place() -> None:
    other = a_note(NETWORK, seq=4).envelopes[0]
    parts, unreadable = parts_of(OpenFrame((NOTE, EXPIRED), (Part((other,)),)))
    assert parts == [Part((NOTE,)), Part((other,))]
    assert unreadable == [(1, EXPIRED)]


def test_verdicts_are_shared_out_to_the_parts_in_order() -> None:
    run = a_run(NETWORK, count=2)
    verdicts = [a_verdict(), *(a_verdict(leaf.id, known=True) for leaf in run.envelopes)]
    first, second = findings_of([Part((NOTE,)), run], verdicts) or []
    assert (first.verified, first.known, first.sizes) == (True, [False], [90])
    assert second.known == [True, True]


def test_verdicts_of_another_frame_match_nothing() -> None:
    assert findings_of([Part((NOTE,))], [a_verdict(b"\x09" * 32)]) is None
    assert findings_of([Part((NOTE,))], [a_verdict(), a_verdict()]) is None


def test_what_the_gossip_process_could_not_tell_is_not_verified() -> None:
    (finding,) = findings_of([Part((NOTE,))], [a_verdict(verdict=None)]) or []
    assert not finding.verified


def test_only_what_is_new_accepted_and_authorised_needs_no_second_check() -> None:
    items = [a_verdict(item_hash=bytes([n]) * 32, known=n == 1) for n in range(3)]
    items[2] = a_verdict(verdict=Verdict.IGNORE, reason="expired")
    kept = hashes_to_remember(items, [NOTE] * 3, lambda envelope: True, RotatingCounter(8))
    assert kept == [bytes(32)]
    assert hashes_to_remember(items, [NOTE] * 3, lambda envelope: False, RotatingCounter(8)) == []


def test_of_one_id_only_so_many_auths_are_remembered() -> None:
    items = [a_verdict(item_hash=bytes([n]) * 32) for n in range(MAX_AUTHS_PER_ID + 3)]
    kept = hashes_to_remember(items, [NOTE] * len(items), lambda envelope: True, RotatingCounter(8))
    assert len(kept) == MAX_AUTHS_PER_ID


def test_a_known_item_is_looked_at_again_by_the_clock() -> None:
    late = UnixMs(NOTE.body.expires_at)
    part = Part((NOTE,))
    assert list(failures_of(NETWORK, SOURCE, part, Finding(verified=True, known=[False]), late)) == []
    (failure,) = failures_of(NETWORK, SOURCE, part, Finding(verified=True, known=[True]), late)
    assert failure is not None and failure.reason is Reason.EXPIRED


def test_what_either_side_found_against_an_envelope_counts() -> None:
    assert join_failures([None, EXPIRED], []) == [None, EXPIRED]
    assert join_failures([None, None], [EXPIRED, None]) == [EXPIRED, None]


def test_a_part_is_all_held_only_when_each_envelope_is() -> None:
    run = a_run(NETWORK, count=2)
    holders = [a_holder(leaf.id) for leaf in run.envelopes]
    assert all_held(run, holders)
    assert not all_held(run, holders[:1])


def test_the_slots_of_a_run_reach_from_its_first_to_its_last_leaf() -> None:
    run = a_run(NETWORK, count=3)
    first = run.envelopes[0].body.seq
    slots = slots_of(NETWORK, run)
    assert (slots.first_seq, slots.end_seq) == (first, first + 3)


def test_each_part_gets_its_own_failures_and_holders() -> None:
    entry = entry_of(SOURCE, [Part((NOTE,)), a_run(NETWORK, count=2)])
    offered = offered_of([entry], [[EXPIRED], []], [[], [a_holder(NOTE.id)]], 9)
    (offer,) = offered.offers
    assert (offered.seen_commit, entry.envelopes) == (9, 3)
    assert [candidate.failures for candidate in offer.candidates] == [[EXPIRED], []]
    assert [len(candidate.holders) for candidate in offer.candidates] == [0, 1]
    assert isinstance(offer.source, Gossiped)


def test_what_catch_up_brings_may_be_old() -> None:
    old = UnixMs(NOTE.body.issued_at + 3 * NETWORK.epoch_length_ms)
    part = Part((NOTE,))
    assert NOTE.body.expires_at > old > NOW
    assert list(failures_of(NETWORK, CaughtUp(b"\x0e" * 32), part, Finding(), old)) == []
    (failure,) = failures_of(NETWORK, SOURCE, part, Finding(), old)
    assert failure is not None and failure.reason is Reason.TOO_OLD
