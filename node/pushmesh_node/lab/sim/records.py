"""Signed peer records of a simulated world, as peer exchange hands them on: who can be dialled where.

A record names its own signer alone and nobody can sign for another, so the signature is left out."""

from typing import Final

from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal

from ...peer.hosts import Address
from .wire import Endpoint

PORT: Final = 4001
_record: Codec[tuple[bytes, str]] = Codec(tuple[bytes, str])


def address_of(endpoint: Endpoint) -> Address:
    """Where an endpoint can be dialled."""
    return Address("ip4", endpoint.host, PORT, endpoint.node_id)


def record_of(endpoint: Endpoint) -> bytes:
    """The record of where an endpoint is."""
    return signed_record(endpoint.node_id, endpoint.host)


def signed_record(node_id: bytes, host: str) -> bytes:
    """What the holder of that key can sign: that it is at any host. Adversaries call it for their own keys only."""
    return pack([node_id, host])


def read_record(record: bytes) -> Address | None:
    """Where its signer is; None where it is no record."""
    try:
        node_id, host = _record.decode(record)
    except Refusal:
        return None
    return Address("ip4", host, PORT, node_id)
