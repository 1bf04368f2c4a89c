"""Binary multiaddrs of an IP address and a TCP port, and no others: what peers may tell of each other. Pure.

An answer of the DHT holds up to 160 of them: they are read without building anything that is not needed."""

import socket
from typing import Final

from .hosts import Address

_IP4: Final = b"\x04"
_IP6: Final = b"\x29"
_TCP: Final = b"\x06"
_IP4_BYTES: Final = 8
_IP6_BYTES: Final = 20


def to_literal(address: Address) -> bytes | None:
    """Without the peer id; None for an address with a name in it, or with more than TCP."""
    if address.websocket:
        return None
    match address.kind:
        case "ip4":
            host = _IP4 + socket.inet_pton(socket.AF_INET, address.host)
        case "ip6":
            host = _IP6 + socket.inet_pton(socket.AF_INET6, address.host)
        case _:
            return None
    return host + _TCP + address.port.to_bytes(2, "big")


def from_literal(data: bytes, node_id: bytes | None = None) -> Address | None:
    """None for anything else, and for port 0."""
    if data[-3:-2] != _TCP or data[-2:] == bytes(2):
        return None
    port = int.from_bytes(data[-2:], "big")
    if len(data) == _IP4_BYTES and data.startswith(_IP4):
        return Address("ip4", socket.inet_ntop(socket.AF_INET, data[1:5]), port, node_id)
    if len(data) == _IP6_BYTES and data.startswith(_IP6):
        return Address("ip6", socket.inet_ntop(socket.AF_INET6, data[1:17]), port, node_id)
    return None
