from pushmesh_node.gossip.wire.node_ids import from_peer_id, to_peer_id
from pushmesh_node.peer.identity import peer_id_of

KEY = bytes(range(32))


def test_it_is_the_peer_id_that_libp2p_gives_the_key() -> None:
    assert to_peer_id(KEY) == peer_id_of(KEY).to_bytes()


def test_a_peer_id_gives_its_key_back() -> None:
    assert from_peer_id(to_peer_id(KEY)) == KEY


def test_an_identity_that_is_no_ed25519_key_has_no_node_id() -> None:
    other_kind = bytes.fromhex("002408021220") + KEY
    odd = (b"", other_kind, to_peer_id(KEY)[:-1], to_peer_id(KEY) + b"x")
    assert [from_peer_id(peer_id) for peer_id in odd] == [None] * 4
