import pytest

from pushmesh_node.engine.parts import leaf_part, leaf_parts, pieces, run_overhead_bytes, split_run
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.tree import audit_path
from support.bodies import a_network
from support.envelopes import a_note, a_run

NETWORK = a_network()
NOTE = a_note(NETWORK)


def a_part(first: int, size: int, count: int, body: str = "leaf") -> Part:
    whole = a_run(NETWORK, count, body=body)
    ids = [leaf.id for leaf in whole.envelopes]
    leaves = whole.envelopes[first : first + size]
    return Part(leaves, whole.statement, first, tuple(audit_path(ids, first, size)))


def opens(part: Part) -> bool:
    """Whether a peer takes the part by itself, path and root and all."""
    return open_frame(NETWORK, encode_frame([part])).parts == (part,)


@pytest.mark.parametrize(
    ("first", "size", "count"), [(0, 1, 1), (0, 7, 7), (0, 8, 8), (4, 4, 8), (4, 3, 7), (6, 1, 7), (2, 2, 5)]
)
def test_every_leaf_stands_by_itself(first: int, size: int, count: int) -> None:
    part = a_part(first, size, count)
    singles = [leaf_part(part, index) for index in range(size)]
    assert leaf_parts(part, range(size)) == singles
    assert [single.envelopes for single in singles] == [(leaf,) for leaf in part.envelopes]
    assert all(opens(single) for single in singles)


def test_an_envelope_of_its_own_is_its_own_part() -> None:
    assert leaf_part(NOTE, 0) is NOTE
    assert leaf_parts(NOTE, [0]) == [NOTE]
    assert split_run(NOTE, 1) == [NOTE]
    assert run_overhead_bytes(NOTE) == 0


def test_pieces_are_the_whole_or_single_leaves() -> None:
    part = a_part(0, 4, 8)
    assert pieces(part, []) == []
    assert pieces(part, range(4))[0] is part
    assert pieces(part, [1, 3]) == [leaf_part(part, 1), leaf_part(part, 3)]
    assert pieces(NOTE, [0]) == [NOTE]


@pytest.mark.parametrize(
    ("first", "size", "count"), [(0, 8, 8), (0, 7, 7), (0, 1, 1), (8, 8, 21), (16, 5, 21), (0, 33, 33)]
)
@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 16, 64])
def test_a_run_is_cut_into_the_largest_runs_that_fit(first: int, size: int, count: int, leaves: int) -> None:
    part = a_part(first, size, count, body="x" * 1_800)
    leaf_bytes, slack = len(part.envelopes[-1].body_bytes) + 5, 34 * 6 + 1_024
    assert leaf_bytes > slack
    cut = split_run(part, leaves * leaf_bytes + slack)
    assert [leaf for run in cut for leaf in run.envelopes] == list(part.envelopes)
    assert all(opens(run) for run in cut)
    largest = size if size <= leaves else 2 ** (leaves.bit_length() - 1)
    assert len(cut[0].envelopes) == max(len(run.envelopes) for run in cut) == largest


def test_a_single_leaf_is_never_cut() -> None:
    assert [len(run.envelopes) for run in split_run(a_part(0, 4, 4), 1)] == [1, 1, 1, 1]
    assert split_run(a_part(2, 1, 4), 1) == [a_part(2, 1, 4)]


@pytest.mark.parametrize(
    ("first", "size", "count"), [(0, 1, 1), (0, 15, 15), (0, 16, 16), (512, 256, 1_024), (4, 4, 8)]
)
def test_overhead_is_what_a_run_has_beside_its_bodies(first: int, size: int, count: int) -> None:
    part = a_part(first, size, count)
    bodies = sum(len(pack(leaf.body_bytes)) for leaf in part.envelopes)
    run = pack([1, 0, part.first, list(part.path), [leaf.body_bytes for leaf in part.envelopes]])
    assert run_overhead_bytes(part) == len(run) - bodies
