"""Free ports of loopback, and the multiaddr of a node that does not run yet."""

import socket

from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.base58 import base58_encode

from ..gossip.wire.node_ids import to_peer_id


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different. Another process may still be faster."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def peer_id(seed: bytes) -> str:
    """The libp2p peer id of a node's 32-byte seed, without importing libp2p, which takes two seconds."""
    return base58_encode(to_peer_id(public_key(seed)))


def loopback_multiaddr(port: int, seed: bytes) -> str:
    """Where a peer dials the node of this seed."""
    return f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id(seed)}"
