from hashlib import sha256

import pytest

from pushmesh_protocol.work import find_work, required_bits, work_bits

SUBJECT = b"\x05" * 32


def naive_bits(subject: bytes, nonce: int) -> int:
    data = b""
    for part in (b"pushmesh/1/work", subject, nonce.to_bytes(8, "big")):
        data += len(part).to_bytes(4, "big") + part
    digits = "".join(f"{byte:08b}" for byte in sha256(data).digest())
    return len(digits) - len(digits.lstrip("0"))


def test_bits_are_the_leading_zeros_of_the_hash() -> None:
    assert [work_bits(SUBJECT, nonce) for nonce in range(500)] == [naive_bits(SUBJECT, nonce) for nonce in range(500)]


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 12])
def test_search_finds_the_first_nonce_that_is_worth_the_bits(bits: int) -> None:
    found = find_work(SUBJECT, bits)
    assert work_bits(SUBJECT, found) >= bits
    assert all(work_bits(SUBJECT, nonce) < bits for nonce in range(found))


def test_search_begins_where_it_is_told() -> None:
    first = find_work(SUBJECT, 6)
    assert find_work(SUBJECT, 6, start=first) == first
    assert find_work(SUBJECT, 6, start=first + 1) > first


def test_work_for_one_subject_is_worth_nothing_for_another() -> None:
    assert work_bits(b"\x06" * 32, find_work(SUBJECT, 14)) < 14


@pytest.mark.parametrize(
    ("covered", "bits"), [(1, 20), (2, 21), (3, 22), (4, 22), (5, 23), (40, 26), (1023, 30), (1024, 30), (1025, 31)]
)
def test_twice_the_slots_cost_one_bit_more(covered: int, bits: int) -> None:
    assert required_bits(20, covered) == bits
