import pytest
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.peer.id import ID
from nacl.signing import SigningKey

from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.identity import key_pair_from, node_id_of, node_id_of_keys, peer_id_of

SEED = bytes(range(32))


def test_the_node_id_is_the_public_key_of_the_seed() -> None:
    assert node_id_of_keys(key_pair_from(SEED)) == bytes(SigningKey(SEED).verify_key)


def test_the_peer_id_is_libp2ps_and_holds_the_node_id() -> None:
    keys = key_pair_from(SEED)
    peer_id = ID.from_pubkey(keys.public_key)
    assert peer_id_of(node_id_of_keys(keys)) == peer_id
    assert node_id_of(peer_id) == node_id_of_keys(keys)


def test_another_kind_of_key_has_no_node_id() -> None:
    with pytest.raises(PeerError):
        node_id_of(ID.from_pubkey(create_new_key_pair().public_key))
