"""Binary multiaddrs of an IP address and a TCP port, with or without /ws, and no others: what peers may tell. Pure.

An answer of the DHT holds up to 160 of them: they are read without building anything that is not needed."""

import socket
from typing import Final

from .hosts import Address

_IP4: Final = b"\x04"
_IP6: Final = b"\x29"
_TCP: Final = b"\x06"
_WS: Final = b"\xdd\x03"
_IP4_BYTES: Final = 8
_IP6_BYTES: Final = 20


def to_literal(address: Address) -> bytes | None:
    """Without the peer id; None for an address with a name in it."""
    match address.kind:
        case "ip4":
            host = _IP4 + socket.inet_pton(socket.AF_INET, address.host)
        case "ip6":
            host = _IP6 + socket.inet_pton(socket.AF_INET6, address.host)
        case _:
            return None
    return host + _TCP + address.port.to_bytes(2, "big") + (_WS if address.websocket else b"")


def from_literal(data: bytes, node_id: bytes | None = None) -> Address | None:
    """None for anything else, and for port 0."""
    websocket = data.endswith(_WS) and len(data) in (_IP4_BYTES + len(_WS), _IP6_BYTES + len(_WS))
    plain = data.removesuffix(_WS) if websocket else data
    if plain[-3:-2] != _TCP or plain[-2:] == bytes(2):
        return None
    port = int.from_bytes(plain[-2:], "big")
    if len(plain) == _IP4_BYTES and plain.startswith(_IP4):
        return Address("ip4", socket.inet_ntop(socket.AF_INET, plain[1:5]), port, node_id, websocket)
    if len(plain) == _IP6_BYTES and plain.startswith(_IP6):
        return Address("ip6", socket.inet_ntop(socket.AF_INET6, plain[1:17]), port, node_id, websocket)
    return None
