import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.faults import BadMessage, Fault
from pushmesh_node.sync.varints import MAX_VARINT, read_varint, varint
from support.naive_negentropy import number_bytes


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8100"), (16_383, "ff7f"), (16_384, "818000"), (MAX_VARINT, "81ffffffffffffffff7f")],
)
def test_the_most_significant_digit_comes_first(number: int, encoded: str) -> None:
    assert varint(number).hex() == encoded
    assert read_varint(bytes.fromhex(encoded), 0) == (number, len(encoded) // 2)


@given(st.integers(0, MAX_VARINT), st.binary(max_size=3), st.binary(max_size=3))
def test_every_number_is_read_as_it_was_written(number: int, before: bytes, after: bytes) -> None:
    encoded = varint(number)
    assert encoded == number_bytes(number)
    assert read_varint(before + encoded + after, len(before)) == (number, len(before) + len(encoded))


@pytest.mark.parametrize("encoded", ["8000", "80", "808001", "8280808080808080808000", "ff" * 11, "ff" * 99])
def test_a_number_that_is_too_long_or_too_great_is_refused(encoded: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_varint(bytes.fromhex(encoded), 0)
    assert caught.value.fault == Fault.VARINT


@pytest.mark.parametrize("encoded", ["", "81", "ffffff", "ff" * 10])
def test_a_number_that_does_not_end_is_refused(encoded: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_varint(bytes.fromhex(encoded), 0)
    assert caught.value.fault == Fault.TRUNCATED
