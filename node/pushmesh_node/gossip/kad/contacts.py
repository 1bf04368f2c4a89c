"""Kademlia as data: contacts, keys and distances. Peer routing only: this DHT stores no values and no providers.

The wire is libp2p's, the protocol's name holds the network id: nodes of another network are of no use here.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ..wire.node_ids import to_peer_id

K: Final = 20
"""Contacts in a bucket, and in an answer."""

MAX_ADDRESSES: Final = 8
KEY_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Contact:
    """A node and where it can be dialled, as binary multiaddrs without its peer id.

    `group` names what contacts of one owner may share, such as the /24 of their address; "" counts each as alone."""

    node_id: bytes
    addresses: tuple[bytes, ...]
    group: str = ""


def protocol_of(network_id: bytes) -> str:
    """The name under which nodes of one network speak it."""
    return f"/pushmesh/1/{network_id.hex()}/kad/1.0.0"


def position_of(peer_id: bytes) -> int:
    """Where a peer id, or any key that is looked up, lies: its SHA-256 as a number."""
    return int.from_bytes(sha256(peer_id).digest(), "big")


def place_of(node_id: bytes) -> int:
    """Where a node lies."""
    return position_of(to_peer_id(node_id))


def shared_bits(one: int, other: int) -> int:
    """Leading bits that two positions have in common, 0 to 256."""
    return KEY_BITS - (one ^ other).bit_length()
