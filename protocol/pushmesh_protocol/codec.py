"""Canonical MessagePack (SPEC 3.1): typed structures to bytes and back, where one value has exactly one encoding."""

from typing import Any, Generic, TypeVar

import msgspec

from .errors import Refusal
from .reasons import Reason

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


def pack(value: Any) -> bytes:
    """The canonical bytes of lists, tuples, Structs, int, str, bytes, bool and None. Maps and floats must not be given."""
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
