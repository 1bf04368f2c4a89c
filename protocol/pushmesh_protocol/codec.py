"""Canonical MessagePack (SPEC 3.1): typed structures to bytes and back, where one value has exactly one encoding."""

from typing import Any, Generic, TypeVar

import msgspec

from .errors import Refusal
from .reasons import Reason

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


def pack(value: Any) -> bytes:
    """The canonical bytes of lists, tuples, Structs, int, str, bytes, bool and None; never give it maps or floats."""
    return _encoder.encode(value)


class Codec(Generic[T]):
    """Strict decoder of one type: bytes that do not re-encode to themselves are refused."""

    def __init__(self, kind: type[T] | Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind, strict=True)

    def decode(self, data: bytes) -> T:
        """Raises Refusal `malformed`, and nothing else, for any bytes."""
        try:
            value = self._decoder.decode(data)
            again = _encoder.encode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
            raise Refusal(Reason.MALFORMED, "3.1", str(error)) from error
        if again != data:
            raise Refusal(Reason.MALFORMED, "3.1", "the bytes are not in canonical form")
        return value


SMALL_MEMBERS = 16
"""Most members of a list that `decode_small` reads (SPEC 5.1)."""

_members: msgspec.msgpack.Decoder[list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw], strict=True)
_scalar = msgspec.msgpack.Decoder(strict=True)
_LISTS = frozenset([*range(0x90, 0xA0), 0xDC, 0xDD])
_SCALARS = frozenset(range(0x100)) - _LISTS - {*range(0x80, 0x90), 0xDE, 0xDF}


def decode_small(data: bytes, depth: int) -> Any:
    """The value of canonical bytes whose type is not known: an int, text, bytes, bool, None, or a small list of them.

    `depth` is how deep lists may nest, 1 being a list of scalars.

    For what a later protocol may put there. Never hand such bytes to an untyped decoder: it recurses as deep as the
    bytes nest, up to an interpreter-wide limit that libraries raise (py_ecc: to 100,000), and then past the C stack.
    Raises Refusal `malformed`, and nothing else.
    """
    try:
        value = _small(data, depth)
        again = _encoder.encode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
        raise Refusal(Reason.MALFORMED, "3.1", str(error)) from error
    if again != data or not _is_plain(value):
        raise Refusal(Reason.MALFORMED, "3.1", "the bytes are not in canonical form")
    return value


def _small(data: bytes, depth: int) -> Any:
    first = data[0] if data else None
    if first in _SCALARS:
        return _scalar.decode(data)
    if first not in _LISTS or depth == 0:
        raise Refusal(Reason.MALFORMED, "3.1", "it is a map or nests too deep")
    members = _members.decode(data)
    if len(members) > SMALL_MEMBERS:
        raise Refusal(Reason.MALFORMED, "3.1", f"a list has more than {SMALL_MEMBERS} members")
    return [_small(bytes(member), depth - 1) for member in members]


def _is_plain(value: Any) -> bool:
    """False for floats and extension types, which nothing canonical holds."""
    if isinstance(value, list):
        return all(_is_plain(member) for member in value)
    return value is None or isinstance(value, int | str | bytes)
