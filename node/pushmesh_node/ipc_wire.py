"""The boundary between the two processes on the wire: a u32 big-endian length, then one MessagePack array
`[type, ...]`. A leaf; reads and writes bytes, never a socket, and holds at most one incomplete message."""

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import msgspec

from .ipc import Down, IpcError, Message, Up

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
LENGTH_BYTES: Final = 4

M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()


def encode(messages: Iterable[Message]) -> bytes:
    """All messages in one piece, so that one write carries them. Raises IpcError if one is over 4 MiB."""
    out = bytearray()
    for message in messages:
        start = len(out)
        out += bytes(LENGTH_BYTES)
        _encoder.encode_into(message, out, start + LENGTH_BYTES)
        length = len(out) - start - LENGTH_BYTES
        if length > MAX_MESSAGE_BYTES:
            raise IpcError(f"{type(message).__name__} of {length} bytes does not fit into one message")
        out[start : start + LENGTH_BYTES] = length.to_bytes(LENGTH_BYTES, "big")
    return bytes(out)


class Decoder(Generic[M]):
    """Incremental: `feed` takes any piece of the byte stream and gives the messages that became complete.

    Raises IpcError on garbage and oversize, and from then on at every call. Holds at most one incomplete message
    between two calls.
    """

    def __init__(self, decode: Callable[[memoryview], M]) -> None:
        self._decode = decode
        self._rest = bytearray()
        self._needed = LENGTH_BYTES
        self._broken = ""

    def feed(self, data: bytes | bytearray | memoryview) -> list[M]:
        """All messages that end in `data`, in order; [] while the next one is incomplete."""
        if self._broken:
            raise IpcError(self._broken)
        self._rest += data
        if len(self._rest) < self._needed:
            return []
        try:
            messages, used = self._split()
        except IpcError as error:
            self._broken = str(error)
            self._rest.clear()
            raise
        del self._rest[:used]
        return messages

    def _split(self) -> tuple[list[M], int]:
        """The complete messages at the front, and how many bytes they take; sets what the next one needs."""
        messages: list[M] = []
        start = 0
        with memoryview(self._rest) as view:
            while True:
                body = start + LENGTH_BYTES
                if len(view) < body:
                    self._needed = LENGTH_BYTES
                    return messages, start
                length = int.from_bytes(view[start:body], "big")
                if length > MAX_MESSAGE_BYTES:
                    raise IpcError(f"a message of {length} bytes is over the limit of {MAX_MESSAGE_BYTES}")
                if len(view) < body + length:
                    self._needed = LENGTH_BYTES + length
                    return messages, start
                with view[body : body + length] as piece:
                    messages.append(self._one(piece))
                start = body + length

    def _one(self, piece: memoryview) -> M:
        try:
            return self._decode(piece)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IpcError(f"a message does not decode: {error}") from error


def down_decoder() -> Decoder[Down]:
    """For the gossip process."""
    return Decoder(msgspec.msgpack.Decoder(Down).decode)


def up_decoder() -> Decoder[Up]:
    """For main."""
    return Decoder(msgspec.msgpack.Decoder(Up).decode)
