from pushmesh_node.app.frame_digests import DIGEST_BYTES, FrameDigests, digest_of
from pushmesh_node.engine.records import Record
from pushmesh_protocol.hashing import sha256
from support.records import record


def records(first: int, *counts: int) -> list[Record]:
    made = []
    for count in counts:
        made.append(record(first, *[None] * count))
        first += count
    return made


def test_a_digest_is_the_beginning_of_a_hash() -> None:
    assert digest_of(b"frame") == sha256(b"frame")[:DIGEST_BYTES]


def test_what_was_added_is_held_and_told_in_order() -> None:
    digests = FrameDigests(10)
    made = records(11, 1, 3, 1)
    digests.add(made[:2])
    digests.add(made[2:])
    in_order = [digest_of(each.data) for each in made]
    assert all(digest in digests for digest in in_order)
    assert bytes(16) not in digests
    assert digests.after(10, 9) == (in_order, 15, False)
    assert digests.after(11, 9) == (in_order[1:], 15, False)
    assert digests.after(12, 9) == (in_order[1:], 15, False)  # a run that a number points into is told whole
    assert digests.after(15, 9) == ([], 15, False)
    assert digests.after(99, 9) == ([], 99, False)
    assert digests.after(10, 2) == (in_order[:2], 14, True)
    assert digests.after(14, 2) == (in_order[2:], 15, False)


def test_what_is_too_long_ago_is_not_told_instead_of_told_with_gaps() -> None:
    digests = FrameDigests(5, capacity=2)
    assert digests.after(4, 9) is None
    assert digests.after(5, 9) == ([], 5, False)
    made = records(6, 1, 1, 1, 1)
    digests.add(made)
    assert len(digests) == 2
    assert [digest_of(each.data) in digests for each in made] == [False, False, True, True]
    assert digests.after(6, 9) is None
    assert digests.after(7, 9) == ([digest_of(each.data) for each in made[2:]], 9, False)


def test_what_came_when_it_was_over_is_asked_of_nobody_else() -> None:
    digests = FrameDigests(0)
    digests.let_go(b"over", [500, 1_000], now_ms=1_000)
    digests.let_go(b"half", [500, 1_001], now_ms=1_000)
    digests.let_go(b"nothing", [], now_ms=1_000)
    assert [digest_of(frame) in digests for frame in (b"over", b"half", b"nothing")] == [True, False, False]
    assert digests.after(0, 10) == ([], 0, False)  # nor is it told to anybody
