from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.faults import BadMessage, Fault
from pushmesh_node.sync.keys import END, START, bound_at, key_of
from pushmesh_node.sync.messages import MAX_RANGES, Mode, Range, Writer, read_ranges, read_version
from pushmesh_node.sync.varints import varint
from support.naive_negentropy import INFINITY, Parts, put_together

PRINT = bytes(range(16))
ONE, TWO = bytes([1]) * 32, bytes([2]) * 32


def fault_of(act: Callable[[], object]) -> Fault:
    with pytest.raises(BadMessage) as caught:
        act()
    return caught.value.fault


def written(*orders: tuple[str, object, object]) -> bytes:
    writer = Writer()
    for order, bound, payload in orders:
        getattr(writer, order)(bound, *([] if payload is None else [payload]))
    assert writer.size == len(writer.message())
    return writer.message()


def test_an_empty_message_is_its_version() -> None:
    assert Writer().message() == b"\x61"
    assert list(read_ranges(b"\x61")) == []


def test_a_message_looks_as_the_protocol_says() -> None:
    message = written(
        ("skip", bound_at(1000), None),
        ("fingerprint", key_of(1000, ONE)[:10], PRINT),
        ("id_list", END, ONE + TWO),
    )
    skipped = "87690000"  # 1 + 1000, no id, skip
    printed = "01020101" + "01" + PRINT.hex()  # 1 + 0, two bytes of an id, fingerprint
    listed = "0000" + "0202" + (ONE + TWO).hex()  # infinity, no id, list of two
    assert message.hex() == "61" + skipped + printed + listed
    assert list(read_ranges(message)) == [
        Range(bound_at(1000), Mode.SKIP, b""),
        Range(bound_at(1000) + ONE[:2], Mode.FINGERPRINT, PRINT),
        Range(END, Mode.ID_LIST, ONE + TWO),
    ]


def test_skipped_ranges_are_joined_and_left_out_at_the_end() -> None:
    orders = [("skip", bound_at(5), None), ("skip", bound_at(9), None)]
    assert written(*orders, ("skip", END, None)) == b"\x61"
    assert list(read_ranges(written(*orders, ("fingerprint", END, PRINT)))) == [
        Range(bound_at(9), Mode.SKIP, b""),
        Range(END, Mode.FINGERPRINT, PRINT),
    ]


@st.composite
def ranges(draw: st.DrawFn) -> list[tuple[tuple[int, bytes], int, bytes | list[bytes] | None]]:
    """Of a message, as the twin writes them."""
    bounds = draw(
        st.lists(
            st.tuples(st.integers(0, 300) | st.integers(0, INFINITY - 1), st.binary(max_size=32)),
            unique=True,
            max_size=8,
        )
    )
    last: list[tuple[int, bytes]] = [(INFINITY, b"")] if draw(st.booleans()) else []
    payload = st.none() | st.just(PRINT) | st.lists(st.sampled_from([ONE, TWO]), max_size=3)
    found = []
    for bound in sorted((timestamp, prefix.rstrip(b"\0")) for timestamp, prefix in bounds) + last:
        chosen = draw(payload)
        found.append((bound, 0 if chosen is None else 2 if isinstance(chosen, list) else 1, chosen))
    return found


@given(ranges())
def test_what_the_twin_writes_is_read_the_same(
    parts: list[tuple[tuple[int, bytes], int, bytes | list[bytes] | None]],
) -> None:
    message = put_together(parts)
    read = list(read_ranges(message))
    assert [(int.from_bytes(one.bound[:8], "big"), one.bound[8:]) for one in read] == [bound for bound, _, _ in parts]
    assert [one.mode for one in read] == [mode for _, mode, _ in parts]
    payloads = [b"".join(payload) if isinstance(payload, list) else payload or b"" for _, _, payload in parts]
    assert [one.payload for one in read] == payloads

    writer = Writer()
    for one in read:
        if one.mode == Mode.SKIP:
            writer.skip(one.bound)
        elif one.mode == Mode.FINGERPRINT:
            writer.fingerprint(one.bound, one.payload)
        else:
            writer.id_list(one.bound, one.payload)
    said = [one for one in Parts(writer.message()).ranges if one[1]]
    assert said == [(bound, mode, payload) for bound, mode, payload in parts if mode]


@pytest.mark.parametrize("first", [*range(0x60, 0x61), *range(0x62, 0x70)])
def test_another_version_is_told_from_what_is_none(first: int) -> None:
    assert not read_version(bytes([first]) + b"whatever")
    assert read_version(b"\x61")


@pytest.mark.parametrize("message", [b"", b"\x5f", b"\x70", b"Hello"])
def test_what_has_no_version_is_refused(message: bytes) -> None:
    assert fault_of(lambda: read_version(message)) == Fault.NOT_NEGENTROPY


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        ("02", Fault.TRUNCATED),
        ("0200", Fault.TRUNCATED),
        ("020501", Fault.TRUNCATED),
        ("020001" + "00" * 15, Fault.TRUNCATED),
        ("02000202" + "00" * 63, Fault.TRUNCATED),
        ("020002" + "81ffffffffffffffff7f", Fault.TRUNCATED),  # more ids than anybody has
        ("020003", Fault.MODE),
        ("02008100", Fault.MODE),
        ("0221" + "00" * 33 + "00", Fault.BOUND),
        ("00010000", Fault.BOUND),  # after everything, and an id
        ("0000000000", Fault.BOUND),  # after everything, and again
        ("8280808080808080808000", Fault.VARINT),
        ("81ffffffffffffffff7f0000" + "030000", Fault.BOUND),  # a timestamp above the greatest
        ("0201ff00" + "010100" + "00", Fault.BOUND),  # below the one before
        ("80000000", Fault.VARINT),
    ],
)
def test_a_malformed_range_is_refused_with_its_reason(rest: str, fault: Fault) -> None:
    assert fault_of(lambda: list(read_ranges(b"\x61" + bytes.fromhex(rest)))) == fault


def test_zeros_at_the_end_of_a_bound_do_not_make_it_another_bound() -> None:
    message = bytes.fromhex("61" + "0203aa000000" + "0101aa00" + "0104aa00000000")
    assert [one.bound for one in read_ranges(message)] == [bound_at(1) + b"\xaa"] * 3


def test_the_greatest_timestamp_is_not_infinity() -> None:
    message = b"\x61" + varint(2**64 - 1) + b"\0\0"
    (one,) = read_ranges(message)
    assert one.bound == bound_at(2**64 - 2) < END
    assert START < one.bound


def test_more_ranges_than_can_say_something_are_refused() -> None:
    skipped = b"\x02\0\0"
    assert len(list(read_ranges(b"\x61" + skipped * MAX_RANGES))) == MAX_RANGES
    assert fault_of(lambda: list(read_ranges(b"\x61" + skipped * (MAX_RANGES + 1)))) == Fault.OVERSIZE
