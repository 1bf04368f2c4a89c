import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.words import (
    MAX_HEADS,
    MAX_WORD_BYTES,
    AskHeads,
    BucketPrint,
    Compare,
    IdRange,
    Sorry,
    ids_of,
    words,
)
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal


@given(st.binary(max_size=200))
def test_any_bytes_are_a_word_or_malformed(data: bytes) -> None:
    try:
        word = words.decode(data)
    except Refusal as refusal:
        assert refusal.reason == "malformed"
    else:
        assert pack(word) == data


def test_four_hundred_buckets_cost_no_more_than_34_bytes_each() -> None:
    compare = Compare([BucketPrint(16, 20_000 + number, b"f" * 16) for number in range(400)])
    assert words.decode(pack(compare)) == compare
    assert len(pack(compare)) <= 34 * 400


@pytest.mark.parametrize(
    "word",
    [
        [14, "x" * 65],
        [1, b"n" * 32, b"i" * 16, 0, [1], True],
        [9, 2**32, False, []],
        [8, 0, [[1, None]]],
        [6, [[0, 0, b"short", b"e" * 8, [b"i" * 32]]]],
        [6, [[0, 0, bytes(8), b"e" * 8, [b"i" * 32] * (MAX_HEADS + 1)]]],
        [7, [[1, 2, 3, MAX_WORD_BYTES + 1, 1, [0], [0]]]],
        [99],
    ],
)
def test_what_is_out_of_bounds_is_malformed(word: object) -> None:
    with pytest.raises(Refusal):
        words.decode(pack(word))


def test_places_count_the_ids_of_all_ranges() -> None:
    ranges = [IdRange(0, 1, bytes(8), b"e" * 8, [b"a" * 32, b"b" * 32]), IdRange(0, 2, bytes(8), b"e" * 8, [b"c" * 32])]
    assert ids_of(AskHeads(ranges).ranges) == [b"a" * 32, b"b" * 32, b"c" * 32]
    assert words.decode(pack(Sorry("busy"))) == Sorry("busy")
