"""Node ids and libp2p identities: a node id is the 32-byte Ed25519 key that the peer id carries inside. No I/O."""

from typing import Final

from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

from .errors import PeerError

_ED25519_PEER_ID_PREFIX: Final = bytes.fromhex("002408011220")  # identity multihash, protobuf of an Ed25519 key
_PEER_ID_BYTES: Final = len(_ED25519_PEER_ID_PREFIX) + 32


def key_pair_from(seed: bytes) -> KeyPair:
    """The libp2p key pair of a 32-byte seed."""
    return create_new_key_pair(seed)


def node_id_of_keys(keys: KeyPair) -> bytes:
    """The public half."""
    return keys.public_key.to_bytes()


def peer_id_of(node_id: bytes) -> ID:
    """The peer id whose multihash holds this key."""
    return ID(_ED25519_PEER_ID_PREFIX + node_id)


def node_id_of(peer_id: ID) -> bytes:
    """Raises PeerError for identities that are not Ed25519: such a peer has no node id."""
    raw = peer_id.to_bytes()
    if len(raw) != _PEER_ID_BYTES or not raw.startswith(_ED25519_PEER_ID_PREFIX):
        raise PeerError("the peer's identity is not an Ed25519 key")
    return raw[len(_ED25519_PEER_ID_PREFIX) :]
