from hashlib import sha256

import pytest

from pushmesh_node.sync import answering
from pushmesh_node.sync.messages import MAX_RANGES
from pushmesh_node.sync.node_sets import NodeSets
from pushmesh_node.sync.words import AskHashes, AskHeads, BucketName, BucketPrint, BucketStep, Compare, IdRange, Steps
from pushmesh_protocol.errors import Refusal
from support.sync_pair import DAY_MS, NOW_MS, id_of, sets_of

FLOORS = [NOW_MS] * 3
DAY = NOW_MS // DAY_MS
RECORDS = [(0, NOW_MS + 5, id_of(1)), (0, NOW_MS + 6, id_of(2)), (1, NOW_MS + DAY_MS, id_of(3))]
START, END = bytes(8), b"\xff" * 8


def test_buckets_that_only_one_side_has_differ_and_equal_ones_do_not() -> None:
    sets = sets_of(RECORDS)
    same, other = sets.prints(FLOORS)
    assert answering.differ(sets, FLOORS, Compare([same, other])).buckets == []
    asked = Compare([same, BucketPrint(2, 9, b"f" * 16)])
    assert answering.differ(sets, FLOORS, asked).buckets == [BucketName(1, DAY + 1), BucketName(2, 9)]


def test_a_bucket_that_stands_twice_is_refused() -> None:
    with pytest.raises(Refusal, match="stands twice"):
        answering.differ(NodeSets(2), FLOORS, Compare([BucketPrint(0, 1, b"f" * 16)] * 2))


def test_more_steps_than_a_word_can_answer_are_refused() -> None:
    with pytest.raises(Refusal, match="more buckets at once"):
        answering.replies(NodeSets(2), FLOORS, Steps([BucketStep(0, number, b"\x61") for number in range(1_000)]))


def test_asked_ids_are_found_by_their_places_in_the_question() -> None:
    ranges = [IdRange(0, DAY, START, END, [id_of(9), id_of(2)]), IdRange(1, DAY + 1, START, END, [id_of(3)])]
    assert answering.places(sets_of(RECORDS), AskHeads(ranges)) == {1: 1, 2: 2}


def test_bounds_that_would_make_it_look_through_everything_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "SCAN_SLACK", 0)
    monkeypatch.setattr(answering, "SCAN_FACTOR", 1)
    with pytest.raises(Refusal, match="looked through"):
        answering.places(sets_of(RECORDS), AskHeads([IdRange(0, DAY, START, END, [id_of(1)])]))


def test_more_ranges_than_a_word_has_honestly_are_refused_however_they_are_shared() -> None:
    """Each has three bytes: one bound after the other, and nothing to say of what is between."""
    ranges = b"\x01\x00\x00"
    fits, beyond = (b"\x61" + ranges * count for count in (MAX_RANGES // 2, MAX_RANGES // 2 + 1))
    sets = sets_of(RECORDS)
    answering.replies(sets, FLOORS, Steps([BucketStep(0, DAY, fits), BucketStep(1, DAY, fits)]))
    with pytest.raises(Refusal, match="oversize"):
        answering.replies(sets, FLOORS, Steps([BucketStep(0, DAY, fits), BucketStep(1, DAY, beyond)]))


def test_a_bucket_is_hashed_once_in_a_question() -> None:
    names = [BucketName(0, DAY), BucketName(1, DAY + 1)]
    sets = sets_of(RECORDS)
    answer = answering.hashes(answering.snapshots(sets, FLOORS, AskHashes(names)))
    assert answer.hashes[1] == (sets.prints(FLOORS)[1].fingerprint, sha256(id_of(3)).digest())
    with pytest.raises(Refusal, match="stands twice"):
        answering.snapshots(sets, FLOORS, AskHashes([*names, names[0]]))
