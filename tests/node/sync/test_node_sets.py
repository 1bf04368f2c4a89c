import pytest
from hypothesis import given, settings, strategies as st

from pushmesh_node.sync.node_sets import NodeSets
from pushmesh_node.sync.words import BucketName, BucketPrint
from pushmesh_protocol.errors import Refusal
from support.sync_pair import DAY_MS, NOW_MS, id_of

CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 40), st.integers(0, 30)), max_size=60)


@given(CHANGES, st.integers(0, 45))
@settings(max_examples=60, deadline=None)
def test_the_sets_are_what_a_plain_set_says(changes: list[tuple[bool, int, int, int]], floor: int) -> None:
    sets, naive = NodeSets(2), set[tuple[int, int, bytes]]()
    for is_new, part, day, number in changes:
        record = (part, NOW_MS + day * DAY_MS, id_of(number))
        if is_new:
            assert sets.insert(*record, number) == (record not in naive)
            naive.add(record)
        else:
            assert sets.remove(*record) == (record in naive)
            naive.discard(record)
    assert set(sets.members()) == naive and len(sets) == len(naive)
    floors = [NOW_MS + floor * DAY_MS] * 3
    above = {(part, end // (DAY_MS if part < 2 else 32 * DAY_MS)) for part, end, _ in naive if end >= floors[0]}
    assert {(each.part, each.number) for each in sets.prints(floors)} == above
    for part, number in above:
        name = BucketName(part, number)
        length = DAY_MS if part < 2 else 32 * DAY_MS
        ids = sorted(id_ for p, end, id_ in naive if p == part and end // length == number and end >= floors[0])
        snapshot = sets.snapshot(name, floors)
        assert sorted(snapshot.ids[at : at + 32] for at in range(0, len(snapshot.ids), 32)) == ids
        assert BucketPrint(part, number, snapshot.fingerprint) in sets.prints(floors)
        assert sorted(sets.ids(name, floors, bytes(8), 1_000)[0]) == ids
    dropped = sets.drop_below(floors[0])
    assert dropped == sum(end < floors[0] for _, end, _ in naive)
    assert {end >= floors[0] for _, end, _ in sets.members()} <= {True}


def test_one_set_can_be_let_go_alone() -> None:
    sets = NodeSets(2)
    for part in range(5):
        sets.insert(part, NOW_MS, id_of(part), part)
    assert sets.drop_below(NOW_MS + 1, 1) == 2
    assert {part for part, _, _ in sets.members()} == {0, 2, 4}


def test_ids_come_in_pages_with_the_bound_to_go_on_from() -> None:
    sets = NodeSets(2)
    for number in range(5):
        sets.insert(0, NOW_MS + number, id_of(number), number)
    name, floors = BucketName(0, NOW_MS // DAY_MS), [0] * 3
    first, bound = sets.ids(name, floors, bytes(8), 3)
    rest, end = sets.ids(name, floors, bound, 3)
    assert (first, rest, end) == ([id_of(n) for n in range(3)], [id_of(3), id_of(4)], b"\xff" * 8)
    assert sets.between(name, bytes(8), bound) == frozenset(first)
    assert sets.places(name, bound, end) == {id_of(3): 3, id_of(4): 4} and sets.count(name, bound, end) == 2


def test_a_message_that_breaks_the_rules_is_malformed() -> None:
    sets, name = NodeSets(2), BucketName(0, 1)
    with pytest.raises(Refusal, match="mode"):
        sets.reply(name, [0] * 3, b"\x61\x00\x00\x09", 10_000)
    reconciliation = sets.reconcile(name, [0] * 3, 10_000)
    reconciliation.begin()
    with pytest.raises(Refusal, match="not-negentropy"):
        reconciliation.take(b"")
