import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.sums import MAX_SUMMED, fingerprint_of, sum_of_ids
from support.naive_negentropy import fingerprint


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 31, 32, 33, 255, MAX_SUMMED - 1, MAX_SUMMED])
@pytest.mark.parametrize("one", [b"\xff" * 32, bytes(31) + b"\x80", b"\x01" + bytes(31)])
def test_no_carry_is_lost(count: int, one: bytes) -> None:
    assert sum_of_ids(one * count) == count * int.from_bytes(one, "little")


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_sum_of_many_is_what_one_addition_for_each_gives(ids: list[bytes]) -> None:
    total = sum_of_ids(b"".join(ids))
    assert total == sum(int.from_bytes(each, "little") for each in ids)
    assert fingerprint_of(total, len(ids)) == fingerprint(ids)


def test_a_fingerprint_takes_the_sum_modulo_two_to_the_256_and_the_count() -> None:
    assert fingerprint_of(5, 3) == fingerprint_of(2**256 + 5, 3) != fingerprint_of(5, 4)
    assert fingerprint_of(0, 0).hex() == "7f9c9e31ac8256ca2f258583df262dbc"
