import os
import subprocess
import sys
from random import Random
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from pushmesh_protocol.auth.statement import Statement
from pushmesh_protocol.codec import Codec, decode_small, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.kinds.registry import decode_body
from pushmesh_protocol.login import LogIn
from support.bodies import a_random_body, an_account
from support.refusals import refusal_of
from support.tree import ROOT

ANYTHING: Codec[Any] = Codec(Any)
INTEGER: Codec[int] = Codec(int)
MALFORMED = ("malformed", "3.1")
CHILD = {**os.environ, "PYTHONPATH": str(ROOT / "protocol")}


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


def test_nesting_without_end_is_refused_whatever_the_recursion_limit() -> None:
    """In a process of its own: where this breaks, the interpreter dies without a word (py_ecc raises the limit)."""
    program = """
import sys
sys.setrecursionlimit(100_000)
from pushmesh_protocol.codec import decode_small
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import decode_frame
from pushmesh_protocol.kinds import Kind, decode_body
from pushmesh_protocol.login import parse_login
from pushmesh_protocol.armor import to_text
nests = b"\\x91" * 200_000 + b"\\xc0"
frames = [
    nests,
    b"\\x94\\x01\\x90\\x90\\x91\\x95\\x00\\x05\\xc4\\x00\\xc4\\x00" + nests,
    b"\\x94\\x01\\x90\\x91" + nests + b"\\x90",
    b"\\x94\\x01\\x90\\x91\\x99" + b"\\xc0" * 8 + b"\\x92\\x07" + nests + b"\\x90",
]
calls = [(lambda data: decode_frame(data, 1_024), frame) for frame in frames]
calls += [(lambda data: decode_small(data, 4), nests), (parse_login, to_text(nests))]
calls += [(lambda data, kind=kind: decode_body(kind, data), nests) for kind in Kind]
for call, data in calls:
    try:
        call(data)
    except Refusal as refusal:
        assert refusal.reason == "malformed", refusal
    else:
        raise AssertionError("accepted")
print(len(calls), "refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=CHILD)
    assert (done.returncode, done.stdout.strip()) == (0, f"{6 + len(Kind)} refused"), done.stderr


@pytest.mark.parametrize(
    "value", [5, -1, 2**64 - 1, "a", b"a" * 5000, True, None, [], [7, [[[1]]]], [0] * 16, ["x", b"x"]]
)
def test_a_small_value_of_unknown_type_is_read(value: Any) -> None:
    assert decode_small(pack(value), 4) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pack([[[[[]]]]]),
        pack([0] * 17),
        pack([0, [0] * 17]),
        b"\x80",
        b"\x91\x80",
        b"\xca\x3f\x80\x00\x00",
        b"\x91\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x91\xd6\xff\x00\x00\x00\x00",
        b"\xd4\x01\x01",
        b"\xc1",
        b"\xcc\x05",
        b"\x91\xcc\x05",
        b"\xdc\x00\x01\x00",
        b"\x91\xd9\x01a",
        b"\x91\xa1\xff",
        b"\x92\x00",
        b"\x91\x00\x00",
        b"\x00\x00",
    ],
)
def test_what_is_not_small_plain_and_canonical_is_refused(data: bytes) -> None:
    assert refusal_of(decode_small, data, 4) == MALFORMED


def test_lists_nest_as_deep_as_the_caller_says() -> None:
    for depth in range(1, 5):
        nested = b"\x91" * depth + b"\xc0"
        assert pack(decode_small(nested, depth)) == nested
        assert refusal_of(decode_small, nested, depth - 1) == MALFORMED


def test_a_length_beyond_the_bytes_is_refused_without_reserving_it() -> None:
    for data in (b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        assert refusal_of(ANYTHING.decode, data) == MALFORMED


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_the_one_form_of_their_value(data: bytes) -> None:
    for codec in (PAIR, Codec[Notification](Notification), Codec[Statement](Statement), Codec[LogIn](LogIn)):
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
