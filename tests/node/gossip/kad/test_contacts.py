from hashlib import sha256

from hypothesis import given, strategies as st

from pushmesh_node.gossip.kad.contacts import place_of, position_of, protocol_of, shared_bits
from pushmesh_node.gossip.wire.node_ids import to_peer_id

positions = st.integers(0, 2**256 - 1)


def test_a_node_lies_where_the_hash_of_its_peer_id_points() -> None:
    node_id = b"n" * 32
    assert place_of(node_id) == position_of(to_peer_id(node_id))
    assert place_of(node_id) == int(sha256(to_peer_id(node_id)).hexdigest(), 16)


@given(positions, positions)
def test_shared_bits_are_those_before_the_first_difference(one: int, other: int) -> None:
    first, second = f"{one:0256b}", f"{other:0256b}"
    naive = next((at for at in range(256) if first[at] != second[at]), 256)
    assert shared_bits(one, other) == naive


def test_networks_do_not_share_a_protocol() -> None:
    assert protocol_of(b"a" * 32) != protocol_of(b"b" * 32)
    assert protocol_of(bytes(32)) == f"/pushmesh/1/{'0' * 64}/kad/1.0.0"
