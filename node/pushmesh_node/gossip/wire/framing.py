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
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
        bodies: list[bytes] = []
        at = 0
        while at < len(data) and not _length_is_cut(data, at):
            length, body = decode_varint(data, at)
            if length > MAX_RPC_BYTES:
                raise RpcError(f"an RPC of {length} bytes is over the limit of {MAX_RPC_BYTES}")
            if body + length > len(data):
                self._needed = body + length - at
                break
            bodies.append(data[body : body + length])
            at = body + length
        else:
            self._needed = len(data) - at + 1
        self._rest = bytearray(data[at:])
        return bodies


def _length_is_cut(data: bytes, at: int) -> bool:
    head = data[at : at + _MAX_LENGTH_BYTES]
    return len(head) < _MAX_LENGTH_BYTES and all(byte >= 0x80 for byte in head)
