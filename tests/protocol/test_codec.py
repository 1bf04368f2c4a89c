from random import Random
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from pushmesh_protocol.auth.statement import Statement
from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.kinds.registry import decode_body
from pushmesh_protocol.login import LogIn
from support.bodies import a_random_body, an_account
from support.refusals import refusal_of

ANYTHING: Codec[Any] = Codec(Any)
INTEGER: Codec[int] = Codec(int)
MALFORMED = ("malformed", "3.1")


class Pair(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    left: Annotated[int, msgspec.Meta(ge=0)]
    right: bytes | None


PAIR = Codec[Pair](Pair)


EDGES = [1 << bits for bits in (5, 7, 8, 15, 16, 31, 32, 63)]
INTEGERS = [
    0,
    2**64 - 1,
    -(2**63),
    *EDGES,
    *(n - 1 for n in EDGES),
    *(-n for n in EDGES),
    *(-n - 1 for n in EDGES[:-1]),
]
SIZES = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
VALUES = [
    *INTEGERS,
    True,
    False,
    None,
    *("a" * n for n in SIZES),
    *(b"a" * n for n in SIZES),
    *([0] * n for n in SIZES),
]


@pytest.mark.parametrize(
    "value", [*VALUES, "ä" * 40_000, [[], [[]], ["x", b"x", None]]], ids=lambda value: repr(value)[:12]
)
def test_a_value_survives_its_bytes(value: Any) -> None:
    assert ANYTHING.decode(pack(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        "cc05",  # 5 as uint8
        "cd0005",  # 5 as uint16
        "ce00000005",
        "cf0000000000000005",
        "d005",  # 5 as int8
        "d10005",
        "d200000005",
        "d30000000000000005",
        "cd00ff",
        "ce0000ffff",
        "cf00000000ffffffff",
        "d0ff",  # -1 as int8
        "d3ffffffffffffffff",
    ],
)
def test_an_integer_in_a_longer_form_is_refused(data: str) -> None:
    assert refusal_of(INTEGER.decode, bytes.fromhex(data)) == MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        "d90161",  # "a" as str8
        "da000161",
        "db0000000161",
        "c5000161",  # b"a" as bin16
        "c60000000161",
        "dc000100",  # [0] as array16
        "dd0000000100",
    ],
)
def test_a_length_in_a_longer_form_is_refused(data: str) -> None:
    assert refusal_of(ANYTHING.decode, bytes.fromhex(data)) == MALFORMED


@pytest.mark.parametrize("data", ["80", "8100c0", "ca3f800000", "cb3ff0000000000000", "d40101", "d6ff00000000", "c1"])
def test_maps_floats_and_extension_types_are_refused(data: str) -> None:
    assert refusal_of(PAIR.decode, b"\x92\x00" + bytes.fromhex(data)) == MALFORMED


@pytest.mark.parametrize(
    "data",
    [b"", b"\x92", b"\x92\x00", b"\x92\x00\xc0\xc0", b"\x93\x00\xc0\xc0", b"\x91\x00", b"\x92\x00\xc4\x05ab", b"\xc0"],
)
def test_bytes_too_few_or_too_many_are_refused(data: bytes) -> None:
    assert refusal_of(PAIR.decode, data) == MALFORMED


@pytest.mark.parametrize("form", [[True, None], ["0", None], [0, "text"], [-1, None], [0, False]])
def test_a_value_of_another_type_is_refused(form: list[Any]) -> None:
    assert refusal_of(PAIR.decode, pack(form)) == MALFORMED


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    assert refusal_of(ANYTHING.decode, bytes((0xA0 | len(text),)) + text) == MALFORMED


def test_nesting_without_end_is_refused() -> None:
    assert refusal_of(ANYTHING.decode, b"\x91" * 100_000 + b"\xc0") == MALFORMED


def test_a_length_beyond_the_bytes_is_refused_without_reserving_it() -> None:
    for data in (b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        assert refusal_of(ANYTHING.decode, data) == MALFORMED


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_the_one_form_of_their_value(data: bytes) -> None:
    for codec in (ANYTHING, PAIR, Codec[Notification](Notification), Codec[Statement](Statement), Codec[LogIn](LogIn)):
        try:
            value = codec.decode(data)
        except Refusal as refusal:
            assert (refusal.reason, refusal.rule) == MALFORMED
        else:
            assert pack(value) == data


def test_a_changed_byte_of_a_body_is_refused_or_another_body(rng: Random) -> None:
    for kind in Kind:
        data = pack(a_random_body(rng, kind, an_account(rng)))
        for _ in range(150):
            changed = bytearray(data)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            try:
                body = decode_body(kind, bytes(changed))
            except Refusal as refusal:
                assert (refusal.reason, refusal.rule) == MALFORMED
            else:
                assert pack(body) == changed
