import pytest

from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.leaf_frames import leaf_frames
from pushmesh_protocol.tree import audit_path
from support.bodies import a_network
from support.envelopes import a_note, a_run

NETWORK = a_network()


def run_of(first: int, size: int, count: int) -> Part:
    whole = a_run(NETWORK, count, 1_000)
    ids = [leaf.id for leaf in whole.envelopes]
    return Part(whole.envelopes[first : first + size], whole.statement, first, tuple(audit_path(ids, first, size)))


def one_by_one(part: Part, indexes: list[int]) -> list[bytes]:
    """The plain way: each leaf's path by the RFC's words, each frame packed by itself."""
    assert part.statement is not None
    whole = a_run(NETWORK, part.statement.count, 1_000)
    ids = [leaf.id for leaf in whole.envelopes]
    places = [part.first + index for index in indexes]
    return [
        encode_frame([Part((whole.envelopes[place],), whole.statement, place, tuple(audit_path(ids, place, 1)))])
        for place in places
    ]


@pytest.mark.parametrize(
    ("first", "size", "count"),
    [(0, 1, 1), (0, 2, 2), (0, 5, 5), (0, 300, 300), (4, 4, 13), (12, 1, 13), (8, 5, 13), (128, 128, 300)],
)
def test_every_leaf_has_the_frame_that_packing_it_alone_gives(first: int, size: int, count: int) -> None:
    part = run_of(first, size, count)
    indexes = list(range(size))
    assert leaf_frames(part, indexes) == one_by_one(part, indexes)


def test_some_leaves_in_any_order_cost_no_others() -> None:
    part = run_of(0, 21, 21)
    assert leaf_frames(part, [20, 3, 4, 3]) == one_by_one(part, [20, 3, 4, 3])
    assert leaf_frames(part, []) == []


def test_a_leaf_by_itself_is_a_frame_that_everybody_accepts() -> None:
    part = run_of(0, 7, 7)
    for index, frame in enumerate(leaf_frames(part, range(7))):
        (opened,) = open_frame(NETWORK, frame).parts
        assert isinstance(opened, Part)
        assert opened.envelopes == (part.envelopes[index],)


def test_an_envelope_with_its_own_auth_is_its_own_frame() -> None:
    part = a_note(NETWORK, 1)
    assert leaf_frames(part, [0]) == [encode_frame([part])]
