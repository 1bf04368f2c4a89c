from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from pushmesh_node.engine.effects import Store
from pushmesh_node.engine.records import Holder, Record, VoidMark
from pushmesh_node.engine.slots import RecentSlots, held_by_same, rivals
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.types import EnvelopeId
from support.bodies import a_network
from support.engine_world import an_engine, offer
from support.envelopes import ALICE, BOB, a_note

NETWORK = a_network()
EPOCH = 5


def an_id(number: int) -> EnvelopeId:
    return EnvelopeId(number.to_bytes(32, "big"))


def a_holder(first: int, end: int | None = None, number: int = 1, *, sent: bool = True) -> Holder:
    return Holder(first, first + 1 if end is None else end, an_id(number), number, sent)


def test_a_holder_is_found_by_any_of_its_slots() -> None:
    slots, holder = RecentSlots(), a_holder(3, 6)
    slots.add(ALICE, EPOCH, holder)
    assert [list(slots.find(ALICE, EPOCH, seq, seq + 1)) for seq in (2, 3, 5, 6)] == [[], [holder], [holder], []]
    assert set(slots.find(ALICE, EPOCH, 0, 4)) == {holder}
    assert not slots.find(ALICE, EPOCH + 1, 3, 4)
    assert not slots.find(BOB, EPOCH, 3, 4)


def test_new_holders_are_found_like_others_and_share_with_who_comes_later() -> None:
    slots = RecentSlots()
    wide, narrow, later = a_holder(3, 6), a_holder(6, number=2), a_holder(5, number=3)
    slots.add_new(ALICE, EPOCH, [wide, narrow])
    slots.add(ALICE, EPOCH, later)
    found = [list(slots.find(ALICE, EPOCH, seq, seq + 1)) for seq in (2, 3, 4, 5, 6, 7)]
    assert found == [[], [wide], [wide], [wide, later], [narrow], []]


def test_holders_of_one_slot_are_all_found_in_order() -> None:
    slots = RecentSlots()
    for number in (1, 2, 3):
        slots.add(ALICE, EPOCH, a_holder(3, number=number))
    assert [holder.commit_no for holder in slots.find(ALICE, EPOCH, 3, 4)] == [1, 2, 3]


def test_what_is_told_again_of_an_envelope_replaces_what_was_known() -> None:
    slots = RecentSlots(2)
    slots.add(ALICE, EPOCH, a_holder(3, 6, sent=False))
    slots.add(ALICE, EPOCH, a_holder(3, 6, sent=True))
    assert [holder.sent for holder in slots.find(ALICE, EPOCH, 4, 5)] == [True]


@pytest.mark.parametrize("capacity", [1, 16, 100])
def test_a_failed_commit_is_unlearned_and_others_are_not(capacity: int) -> None:
    slots = RecentSlots(capacity)
    slots.add(ALICE, EPOCH, a_holder(3, number=1))
    slots.let_go(1, 1)
    slots.add(ALICE, EPOCH, a_holder(3, 5, number=2))
    slots.forget(ALICE, EPOCH, 3, 5, [an_id(2)])
    assert [holder.commit_no for holder in slots.find(ALICE, EPOCH, 3, 5)] == [1]
    slots.forget(ALICE, EPOCH, 3, 4, [an_id(1), an_id(9)])
    assert slots.find(ALICE, EPOCH, 3, 5) == []


def test_at_least_the_last_slots_are_remembered_and_never_all(rng: Random) -> None:
    slots, naive = RecentSlots(50), defaultdict[int, list[Holder]](list)
    told: list[int] = []
    for number in range(1_000):
        holder = a_holder(7 * number, number=number)
        slots.let_go(number - 1, number - 1)
        slots.add(ALICE, EPOCH, holder)
        naive[holder.first_seq].append(holder)
        told.append(holder.first_seq)
        seq = rng.choice(told[-50:])
        assert list(slots.find(ALICE, EPOCH, seq, seq + 1)) == naive[seq]
    assert sum(bool(slots.find(ALICE, EPOCH, seq, seq + 1)) for seq in told) <= 50 + 2 * 7


def test_what_no_look_up_has_seen_is_remembered_however_much_it_is() -> None:
    slots = RecentSlots(10)
    for number in range(1, 1_001):
        slots.let_go(3, number - 1)
        slots.add(ALICE, EPOCH, a_holder(number, number=number))
    assert all(slots.find(ALICE, EPOCH, seq, seq + 1) for seq in range(4, 1_001))


def test_the_oldest_go_when_a_look_up_has_seen_the_last_of_them_and_not_before() -> None:
    slots = RecentSlots(1)
    for number in (1, 2):
        slots.add(ALICE, EPOCH, a_holder(number, number=number))
    slots.let_go(0, 2)  # 1 and 2 are the old ones from now on
    for number in (3, 4):
        slots.add(ALICE, EPOCH, a_holder(number, number=number))
    slots.let_go(1, 4)
    assert all(slots.find(ALICE, EPOCH, seq, seq + 1) for seq in (1, 2, 3, 4))
    slots.let_go(2, 4)
    assert [bool(slots.find(ALICE, EPOCH, seq, seq + 1)) for seq in (1, 2, 3, 4)] == [False, False, True, True]


def test_an_envelope_that_is_held_is_found_among_holders() -> None:
    holders = [a_holder(3, number=1), a_holder(3, number=2)]
    assert held_by_same(an_id(2), holders) == holders[1]
    assert held_by_same(an_id(3), holders) is None


def test_other_ids_are_rivals_and_the_envelope_itself_is_none() -> None:
    (envelope,) = a_note(NETWORK, 3).envelopes
    own = Holder(3, 4, envelope.id, 7, True)
    assert rivals(envelope, [own]) == (False, [])
    assert rivals(envelope, [own, a_holder(3)]) == (False, [a_holder(3)])
    assert rivals(envelope, [a_holder(3), a_holder(3)]) == (False, [a_holder(3)])


def test_a_third_id_is_surplus_when_all_its_slots_have_their_pair() -> None:
    (narrow,) = a_note(NETWORK, 3).envelopes
    pair = [a_holder(3, number=1), a_holder(3, number=2)]
    assert rivals(narrow, pair) == (True, pair)
    (wide,) = a_note(NETWORK, 3, body="x" * 4_000).envelopes
    assert wide.cost == 3
    assert rivals(wide, pair)[0] is False
    full = [*pair, a_holder(4, 6, number=3), a_holder(4, number=4)]
    assert rivals(wide, full)[0] is False
    assert rivals(wide, [*full, a_holder(5, number=5)])[0] is True


def delivered(notes: Sequence[Part]) -> set[bytes]:
    """What an engine delivers, or would, that is told of these in this order: all that it stored and did not void."""
    engine = an_engine()
    ids: dict[int, bytes] = {}
    voids: set[int] = set()
    for note in notes:
        for effect in offer(engine, note):
            for write in effect.writes if isinstance(effect, Store) else ():
                if isinstance(write, Record):
                    ids[write.first_commit] = write.ids[0]
                elif isinstance(write, VoidMark):
                    voids.add(write.commit_no)
    return {envelope_id for commit_no, envelope_id in ids.items() if commit_no not in voids}


def alone_in_their_slots(notes: Sequence[Part]) -> set[bytes]:
    """The naive twin: whoever shares no slot with any other, whatever came first."""
    spans = {note.envelopes[0].id: slots_of(note.envelopes[0]) for note in notes}
    return {one for one, mine in spans.items() if all(mine.isdisjoint(spans[other]) for other in spans if other != one)}


def slots_of(envelope: Envelope) -> set[int]:
    return set(range(envelope.body.seq, envelope.body.seq + envelope.cost))


def test_what_is_delivered_is_a_function_of_the_set_and_not_of_the_order(rng: Random) -> None:
    """Surplus ids among it: an id is surplus only where all its slots are void already (SPEC 6.5)."""
    shared = 0
    for _ in range(40):
        notes = [
            a_note(NETWORK, rng.randrange(1, 5), body=f"{number}" + "x" * rng.choice([1, 1, 3_000]))
            for number in range(rng.randrange(2, 6))
        ]
        expected = alone_in_their_slots(notes)
        shared += len(expected) < len(notes)
        for order in permutations(notes):
            assert delivered(order) == expected
    assert shared > 10
