import pytest

from pushmesh_node.lab.bucket_side import SHARDS, BucketSide
from pushmesh_node.lab.sync_side import Held, build_buckets
from pushmesh_node.sync.words import Compare, Differ, Replies, Steps, words


def talk(asker: BucketSide, asked: BucketSide) -> list[tuple[bytes, bytes]]:
    """To the end: (question, answer) of each round trip."""
    said = []
    question: bytes | None = asker.open()
    while question is not None:
        answer = asked.respond(question)
        said.append((question, answer))
        question = asker.receive(answer)
    return said


def test_many_buckets_that_are_the_same_are_one_round_trip_of_few_bytes() -> None:
    same = Held(1000, 1, range(0), buckets=400)
    ((question, answer),) = talk(build_buckets(same), build_buckets(same))
    compare = words.decode(question)
    assert isinstance(compare, Compare)
    assert {each.part for each in compare.buckets} == set(range(SHARDS))
    assert len(compare.buckets) == 400
    assert words.decode(answer) == Differ([])
    assert len(question + answer) <= 400 * 34


def test_what_is_missing_is_found_in_the_buckets_that_differ_alone() -> None:
    asker, asked = build_buckets(Held(5000, 1, range(3), 40)), build_buckets(Held(5000, 1, range(3, 9), 40))
    said = [(words.decode(question), words.decode(answer)) for question, answer in talk(asker, asked)]
    assert asker.found == asker.lacked
    assert len(asker.lacked) == 3
    (compare, differ), *rounds = said
    assert isinstance(compare, Compare)
    assert isinstance(differ, Differ)
    assert len(differ.buckets) == 9
    assert rounds
    assert all(isinstance(steps, Steps) and isinstance(replies, Replies) for steps, replies in rounds)
    assert asker.cpu_s > 0 < asked.cpu_s


def test_a_word_out_of_turn_is_our_fault() -> None:
    side = build_buckets(Held(10, 1, range(0), 2))
    with pytest.raises(ValueError, match="no question: Differ"):
        side.respond(bytes.fromhex("920390"))
    with pytest.raises(ValueError, match="no answer: Compare"):
        side.receive(side.open())
