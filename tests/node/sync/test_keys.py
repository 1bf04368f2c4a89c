import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.keys import (
    END,
    KEY_BYTES,
    MAX_TIMESTAMP,
    START,
    bound_at,
    id_of,
    key_of,
    shortest_bound,
    timestamp_of,
)

TIMESTAMPS = st.integers(0, 3) | st.integers(MAX_TIMESTAMP - 3, MAX_TIMESTAMP) | st.integers(0, MAX_TIMESTAMP)
IDS = st.binary(min_size=32, max_size=32) | st.binary(min_size=2, max_size=2).map(lambda end: bytes(30) + end)


@given(TIMESTAMPS, IDS, TIMESTAMPS, IDS)
def test_keys_compare_as_timestamp_and_id_do(one: int, one_id: bytes, other: int, other_id: bytes) -> None:
    key = key_of(one, one_id)
    assert (timestamp_of(key), id_of(key)) == (one, one_id)
    assert (key < key_of(other, other_id)) == ((one, one_id) < (other, other_id))
    assert START <= key < END


@given(TIMESTAMPS, IDS, TIMESTAMPS, IDS)
def test_the_shortest_bound_parts_two_keys_and_one_byte_less_does_not(
    one: int, one_id: bytes, other: int, other_id: bytes
) -> None:
    below, above = sorted([key_of(one, one_id), key_of(other, other_id)])
    if below == above:
        return
    bound = shortest_bound(below, above)
    assert below < bound <= above
    if len(bound) > 8:
        assert not below < bound[:-1]
        assert bound[-1]  # no zero at the end: there is one way to write it


@pytest.mark.parametrize(("timestamp", "id_bytes"), [(-1, 32), (MAX_TIMESTAMP + 1, 32), (0, 31), (0, 33)])
def test_what_no_record_can_have_is_no_key(timestamp: int, id_bytes: int) -> None:
    with pytest.raises(ValueError, match="no record has"):
        key_of(timestamp, bytes(id_bytes))


def test_a_bound_at_a_time_is_below_its_records_and_above_earlier_ones() -> None:
    assert key_of(6, b"\xff" * 32) < bound_at(7) <= key_of(7, bytes(32))
    assert bound_at(-5) == START
    assert bound_at(2**64 - 1) == bound_at(2**70) == END
    assert len(key_of(7, bytes(32))) == KEY_BYTES
