"""Between node ids, 32-byte Ed25519 keys, and the libp2p peer ids that hold them as an identity multihash."""

from typing import Final

_PREFIX: Final = bytes.fromhex("002408011220")  # identity multihash, protobuf of an Ed25519 key
_PEER_ID_BYTES: Final = len(_PREFIX) + 32


def to_peer_id(node_id: bytes) -> bytes:
    """The bytes of the libp2p peer id."""
    return _PREFIX + node_id


def from_peer_id(peer_id: bytes) -> bytes | None:
    """None for identities that are not Ed25519: such a peer has no node id."""
    if len(peer_id) != _PEER_ID_BYTES or not peer_id.startswith(_PREFIX):
        return None
    return peer_id[len(_PREFIX) :]
