import socket

from pushmesh_node.lab.addresses import free_ports, loopback_multiaddr, peer_id
from pushmesh_node.peer.identity import peer_id_of
from pushmesh_protocol.auth.ed25519 import public_key


def test_a_peer_id_is_the_one_that_libp2p_derives() -> None:
    for number in range(1, 20):
        seed = bytes([number]) * 32
        assert peer_id(seed) == str(peer_id_of(public_key(seed)))
        assert loopback_multiaddr(4001, seed) == f"/ip4/127.0.0.1/tcp/4001/p2p/{peer_id(seed)}"


def test_free_ports_are_different_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
