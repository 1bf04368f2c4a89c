"""Cuts a gossip stream into RPCs: a varint length, then that many bytes. Never reads; the peer room feeds it."""

from .protobuf import decode_varint, encode_varint
from .rpc import MAX_RPC_BYTES, RpcError

_MAX_LENGTH_BYTES = 10


def frame(body: bytes) -> bytes:
    """An encoded RPC with its length, as it goes on the stream."""
    return encode_varint(len(body)) + body


class RpcSplitter:
    """Incremental: holds at most one incomplete RPC between two calls of `feed`."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = 1  # bytes in `_rest` before looking again is worth it

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that became complete, in order. Raises RpcError on an oversize or malformed length."""
        self._rest += data
        if len(self._rest) < self._needed:
            return []
        held = bytes(self._rest)
        bodies: list[bytes] = []
        at = 0
        while at < len(held) and not _length_is_cut(held, at):
            length, body = decode_varint(held, at)
            if length > MAX_RPC_BYTES:
                raise RpcError(f"an RPC of {length} bytes is over the limit of {MAX_RPC_BYTES}")
            if body + length > len(held):
                self._needed = body + length - at
                break
            bodies.append(held[body : body + length])
            at = body + length
        else:
            self._needed = len(held) - at + 1
        del self._rest[:at]
        return bodies


def _length_is_cut(held: bytes, at: int) -> bool:
    head = held[at : at + _MAX_LENGTH_BYTES]
    return len(head) < _MAX_LENGTH_BYTES and all(byte >= 0x80 for byte in head)
