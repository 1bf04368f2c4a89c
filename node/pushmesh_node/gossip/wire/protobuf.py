"""Protobuf's bytes, as far as libp2p's messages use them: any bytes give fields or RpcError. Knows no message."""

from collections.abc import Iterator
from typing import Final

from .rpc import RpcError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


def encode_varint(value: int) -> bytes:
    """Protobuf's base-128 varint of a value from 0 to 2^64 - 1."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def bytes_head(number: int, length: int) -> bytes:
    """What stands before that many bytes in a field; `number` from 1 to 15."""
    if length < 0x80:
        return bytes((number << 3 | _BYTES, length))
    return bytes((number << 3 | _BYTES,)) + encode_varint(length)


def bytes_field(number: int, data: bytes) -> bytes:
    """A field with bytes, a text or a message in it; `number` from 1 to 15."""
    return bytes_head(number, len(data)) + data


def number_field(number: int, value: int) -> bytes:
    """A field with an integer in it; `number` from 1 to 15."""
    return bytes((number << 3 | _VARINT,)) + encode_varint(value)


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """The value and the position behind it. Raises RpcError if it is cut off or over 64 bits."""
    value = shift = 0
    for position in range(at, min(at + _MAX_VARINT_BYTES, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise RpcError("a varint is over 64 bits")
            return value, position + 1
        shift += 7
    raise RpcError("a varint is cut off or too long")


class FieldLimit:
    """How many fields a message may hold, together with all the messages in it."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most


def fields(data: bytes, limit: FieldLimit | None = None) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field in order; integers for varints, bytes for the rest. Raises RpcError.

    Reads on as the caller asks. Tags and lengths below 128 are read in place: nearly all are."""
    at, end = 0, len(data)
    limit = limit or FieldLimit(end)
    while at < end:
        limit.left -= 1
        if limit.left < 0:
            raise RpcError("a message holds too many fields")
        tag = data[at]
        tag, at = (tag, at + 1) if tag < 0x80 else decode_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise RpcError(f"{number} is no field number")
        if wire_type == _BYTES:
            length = data[at] if at < end else 0x80
            length, at = (length, at + 1) if length < 0x80 else decode_varint(data, at)
        elif wire_type == _VARINT:
            value, at = decode_varint(data, at)
            yield number, value
            continue
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise RpcError(f"wire type {wire_type} is not used")
        if at + length > end:
            raise RpcError("a field is cut off")
        yield number, data[at : at + length]
        at += length
