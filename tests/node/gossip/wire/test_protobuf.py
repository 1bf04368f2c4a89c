import pytest
from hypothesis import given, strategies as st

from pushmesh_node.gossip.wire.protobuf import (
    FieldLimit,
    bytes_field,
    bytes_head,
    decode_varint,
    encode_varint,
    fields,
    number_field,
)
from pushmesh_node.gossip.wire.rpc import RpcError


@given(st.integers(0, 2**64 - 1))
def test_varints_survive(value: int) -> None:
    data = encode_varint(value)
    assert decode_varint(data, 0) == (value, len(data))


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 9 + b"\x02"])
def test_a_varint_over_64_bits_is_refused(data: bytes) -> None:
    with pytest.raises(RpcError, match="64 bits"):
        decode_varint(data, 0)


@given(st.lists(st.tuples(st.integers(1, 15), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=300)))))
def test_fields_survive_in_their_order(written: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(number_field(n, v) if isinstance(v, int) else bytes_field(n, v) for n, v in written)
    assert list(fields(data)) == written


def test_fields_of_fixed_size_are_given_as_bytes() -> None:
    assert list(fields(b"\x09" + bytes(8) + b"\x15" + b"\x01" * 4)) == [(1, bytes(8)), (2, b"\x01" * 4)]


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x0b", b"\x00", b"\x09\x00", b"\x80", b"\x0a\x80"])
def test_what_is_cut_off_or_no_field_is_refused(data: bytes) -> None:
    with pytest.raises(RpcError):
        list(fields(data))


@given(st.binary(max_size=200))
def test_any_bytes_give_fields_or_an_rpc_error(data: bytes) -> None:
    try:
        assert all(number > 0 for number, _ in fields(data))
    except RpcError:
        pass


@pytest.mark.parametrize(("length", "head"), [(0, "0a00"), (127, "0a7f"), (128, "0a8001"), (300, "0aac02")])
def test_a_length_has_as_many_bytes_as_it_needs(length: int, head: str) -> None:
    assert bytes_head(1, length).hex() == head


def test_field_numbers_end_where_protobuf_ends_them() -> None:
    assert list(fields(encode_varint((2**29 - 1) << 3) + b"\x07")) == [(2**29 - 1, 7)]
    for number in (0, 2**29):
        with pytest.raises(RpcError, match="no field number"):
            list(fields(encode_varint(number << 3) + b"\x07"))


@given(st.integers(1, 15), st.binary(max_size=300))
def test_a_head_and_its_bytes_are_a_field(number: int, data: bytes) -> None:
    assert bytes_head(number, len(data)) + data == bytes_field(number, data)


def test_fields_of_a_message_and_of_those_in_it_count_together() -> None:
    inner = number_field(1, 7) * 2
    limit = FieldLimit(3)
    for _number, value in fields(bytes_field(2, inner), limit):
        assert isinstance(value, bytes) and list(fields(value, limit)) == [(1, 7), (1, 7)]
    with pytest.raises(RpcError, match="too many fields"):
        list(fields(b"\x08\x01", limit))


def test_fields_beyond_the_limit_are_not_read() -> None:
    seen = []
    with pytest.raises(RpcError, match="too many fields"):
        for field in fields(number_field(1, 7) * 4, FieldLimit(3)):
            seen.append(field)
    assert seen == [(1, 7)] * 3
