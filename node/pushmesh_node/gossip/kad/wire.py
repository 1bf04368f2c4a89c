"""Kademlia's messages in libp2p's protobuf: any bytes give a message or RpcError. Of peers only Ed25519 ones count."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ..wire.node_ids import from_peer_id, to_peer_id
from ..wire.protobuf import FieldLimit, bytes_field, fields, number_field
from ..wire.rpc import RpcError
from .contacts import MAX_ADDRESSES, K

MAX_REQUEST_BYTES: Final = 64 * 1_024
MAX_ANSWER_BYTES: Final = 128 * 1_024
MAX_KEY_BYTES: Final = 128
MAX_ADDRESS_BYTES: Final = 512
MAX_FIELDS: Final = 4_096
"""In a message, at all depths: 20 peers with 200 addresses each. Reading more would take longer than any answer is
worth."""
_CAN_CONNECT: Final = 2
_KINDS: Final = frozenset(range(6))


class Asked(IntEnum):
    """libp2p's kinds of message. The first four are about values and providers, which this DHT does not keep."""

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


@dataclass(frozen=True, slots=True)
class Told:
    """A peer in an answer: its node id and its binary multiaddrs, none of them checked."""

    node_id: bytes
    addresses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KadMessage:
    """A request, or the answer to one; `key` is the peer id that is looked for."""

    kind: Asked
    key: bytes = b""
    closer: tuple[Told, ...] = ()


def encode_kad(message: KadMessage) -> bytes:
    """Without the length prefix of the stream."""
    parts = [number_field(1, message.kind)]
    if message.key:
        parts.append(bytes_field(2, message.key))
    parts += [bytes_field(8, _encode_peer(peer)) for peer in message.closer]
    return b"".join(parts)


def _encode_peer(peer: Told) -> bytes:
    addresses = b"".join(bytes_field(2, address) for address in peer.addresses)
    return bytes_field(1, to_peer_id(peer.node_id)) + addresses + number_field(3, _CAN_CONNECT)


def decode_kad(data: bytes) -> KadMessage:
    """Of an answer the first 20 peers with Ed25519 keys; the rest is passed over. A request's key may be missing."""
    kind, key = 0, b""
    closer: list[Told] = []
    limit = FieldLimit(MAX_FIELDS)
    for number, value in fields(data, limit):
        if number == 1:
            kind = _integer(value)
        elif number == 2:
            key = _bytes(value, MAX_KEY_BYTES)
        elif number == 8 and len(closer) < K:
            peer = _decode_peer(_bytes(value, MAX_ANSWER_BYTES), limit)
            closer += [peer] if peer is not None else []
    if kind not in _KINDS:
        raise RpcError(f"{kind} is no kind of message")
    return KadMessage(Asked(kind), key, tuple(closer))


def _decode_peer(data: bytes, limit: FieldLimit) -> Told | None:
    peer_id = b""
    addresses: list[bytes] = []
    for number, value in fields(data, limit):
        if number == 1:
            peer_id = _bytes(value, MAX_KEY_BYTES)
        elif number == 2 and len(addresses) < MAX_ADDRESSES:
            addresses.append(_bytes(value, MAX_ADDRESS_BYTES))
    node_id = from_peer_id(peer_id)
    return Told(node_id, tuple(addresses)) if node_id is not None else None


def _bytes(value: int | bytes, limit_bytes: int) -> bytes:
    if isinstance(value, int) or len(value) > limit_bytes:
        raise RpcError("a field has the wrong type or is too long")
    return value


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise RpcError("a number has the wrong type")
    return value
