"""Signed peer records: a peer's own word on where it is, which others can pass on (libp2p's envelope and peer record).

Pure; any bytes give a record or PeerError. Whether the addresses are of any use is for others to say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pushmesh_protocol.auth.ed25519 import public_key, sign, verify

from ..gossip.wire.node_ids import from_peer_id, to_peer_id
from ..gossip.wire.protobuf import FieldLimit, bytes_field, encode_varint, fields, number_field
from ..gossip.wire.rpc import RpcError
from .address import from_wire, to_wire
from .errors import AddressError, PeerError
from .hosts import Address

DOMAIN: Final = b"libp2p-peer-record"
PAYLOAD_TYPE: Final = b"\x03\x01"
MAX_RECORD_BYTES: Final = 4_096
MAX_ADDRESSES: Final = 8
_MAX_FIELDS: Final = 128
_ED25519: Final = 1


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """Signed by the peer itself. A higher `seq` is newer; `addresses` are those this host can dial, with node id."""

    node_id: bytes
    seq: int
    addresses: tuple[Address, ...]


def seal_record(seed: bytes, seq: int, addresses: Iterable[Address]) -> bytes:
    """The envelope of this node's own record, signed by the key of its 32-byte seed."""
    node_id = public_key(seed)
    payload = bytes_field(1, to_peer_id(node_id)) + number_field(2, seq)
    payload += b"".join(bytes_field(3, bytes_field(1, to_wire(address))) for address in addresses)
    key = number_field(1, _ED25519) + bytes_field(2, node_id)
    signature = sign(seed, _signed_bytes(payload))
    return bytes_field(1, key) + bytes_field(2, PAYLOAD_TYPE) + bytes_field(3, payload) + bytes_field(5, signature)


def open_record(data: bytes) -> PeerRecord:
    """Raises PeerError for anything but a record that its own peer's Ed25519 key signed. Some 100 us."""
    if len(data) > MAX_RECORD_BYTES:
        raise PeerError("a peer record is too long")
    try:
        return _open(data)
    except RpcError as error:
        raise PeerError(f"a peer record does not decode: {error}") from error


def _open(data: bytes) -> PeerRecord:
    parts = _bytes_of(data)
    if parts.get(2) != PAYLOAD_TYPE:
        raise PeerError("an envelope holds no peer record")
    payload, key = parts.get(3, b""), _key(parts.get(1, b""))
    if not verify(key, _signed_bytes(payload), parts.get(5, b"")):
        raise PeerError("a peer record is not signed by its key")
    peer_id, seq, wires = b"", 0, []
    for number, value in fields(payload, FieldLimit(_MAX_FIELDS)):
        match number, value:
            case 1, bytes():
                peer_id = value
            case 2, int():
                seq = value
            case 3, bytes():
                wires.append(_bytes_of(value).get(1, b""))
    if from_peer_id(peer_id) != key:
        raise PeerError("a peer record is another peer's")
    return PeerRecord(key, seq, tuple(_dialable(wires, key)))


def _key(data: bytes) -> bytes:
    kind, key = -1, b""
    for number, value in fields(data, FieldLimit(_MAX_FIELDS)):
        match number, value:
            case 1, int():
                kind = value
            case 2, bytes():
                key = value
    if kind != _ED25519:
        raise PeerError("a peer record's key is not Ed25519")
    return key


def _bytes_of(data: bytes) -> dict[int, bytes]:
    """The fields that hold bytes; of repeated ones the last, as protobuf has it."""
    found = fields(data, FieldLimit(_MAX_FIELDS))
    return {number: value for number, value in found if isinstance(value, bytes)}


def _signed_bytes(payload: bytes) -> bytes:
    return b"".join(encode_varint(len(part)) + part for part in (DOMAIN, PAYLOAD_TYPE, payload))


def _dialable(wires: Iterable[bytes], node_id: bytes) -> list[Address]:
    found: list[Address] = []
    for wire in wires:
        try:
            address = from_wire(wire)
        except AddressError:
            continue  # other transports than ours
        if address.node_id in (None, node_id):
            found.append(replace(address, node_id=node_id))
    return found[:MAX_ADDRESSES]
