from hashlib import sha256
from random import Random

import pytest

from pushmesh_protocol.hashing import STATEMENT_NAMES, hash_statement, keccak256, statement_hasher, u64
from support.tree import ROOT


def naive_hash(name: str, *parts: bytes) -> bytes:
    """H of the specification, word for word."""
    data = b""
    for part in (("pushmesh/1/" + name).encode(), *parts):
        data += len(part).to_bytes(4, "big") + part
    return sha256(data).digest()


@pytest.mark.parametrize("name", sorted(STATEMENT_NAMES))
def test_hash_is_that_of_the_definition(name: str, rng: Random) -> None:
    for count in range(8):
        parts = [rng.randbytes(rng.choice([0, 1, 20, 32, 300, 5000])) for _ in range(count)]
        assert hash_statement(name, *parts) == naive_hash(name, *parts)


def test_a_prepared_hasher_gives_the_same_hashes_and_can_be_used_again(rng: Random) -> None:
    first, rest = rng.randbytes(32), [rng.randbytes(40), b"", rng.randbytes(3)]
    finish = statement_hasher("envelope", first)
    for _ in range(3):
        assert finish(*rest) == naive_hash("envelope", first, *rest)
    assert finish() == naive_hash("envelope", first)


def test_the_bounds_of_parts_are_part_of_the_hash() -> None:
    hashes = {hash_statement("work", *parts) for parts in [(b"ab",), (b"a", b"b"), (b"", b"ab"), (b"ab", b""), ()]}
    assert len(hashes) == 5


def test_names_are_those_of_the_specification() -> None:
    text = (ROOT / "protocol" / "SPEC.md").read_text()
    rule = text.split("- **3.5** The names are closed: ")[1].partition(". Every")[0]
    assert {name.strip(" `\n") for name in rule.split(",")} == STATEMENT_NAMES


def test_a_name_outside_the_list_is_an_error() -> None:
    with pytest.raises(KeyError):
        hash_statement("envelope2")


def test_integers_are_eight_bytes_big_endian() -> None:
    assert u64(0) == bytes(8)
    assert u64(0x0102) == b"\0\0\0\0\0\0\x01\x02"
    assert u64(2**64 - 1) == b"\xff" * 8
    for value in (-1, 2**64):
        with pytest.raises(OverflowError):
            u64(value)


def test_keccak_is_ethereums_and_not_sha_3() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"transfer(address,uint256)").hex().startswith("a9059cbb")
