"""Reads and writes multiaddrs of the form this host uses: /ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/ws][/p2p/ID]. No
I/O."""

import re
from dataclasses import replace
from typing import Final

from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]  # multiaddr carries no types

from .errors import AddressError, PeerError
from .hosts import Address, is_ip
from .identity import node_id_of

MAX_HOST_LETTERS: Final = 253
"""As DNS has it; so what peers say of themselves always fits into what main is told (`ipc.Address`)."""

MAX_WIRE_BYTES: Final = 512
_HOST_KINDS = ("ip4", "ip6", "dns", "dns4", "dns6")
_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def parse_address(text: str) -> Address:
    """Raises AddressError with a sentence that names the address."""
    if any(part.startswith("quic") for part in text.split("/")):
        raise AddressError(f"{text!r} asks for QUIC, which this node does not speak; use TCP or WebSocket")
    parts, websocket = text.split("/"), False
    if len(parts) in (6, 8) and parts[5] == "ws":
        parts, websocket = parts[:5] + parts[6:], True
    if len(parts) not in (5, 7) or parts[0] or parts[1] not in _HOST_KINDS or parts[3] != "tcp":
        raise AddressError(f"{text!r} is not of the form /ip4/HOST/tcp/PORT[/ws][/p2p/ID]")
    kind, host, port = parts[1], parts[2], _port(parts[4], text)
    if len(host) > MAX_HOST_LETTERS:
        raise AddressError(f"{text!r} names a host of more than {MAX_HOST_LETTERS} letters")
    if kind.startswith("ip"):
        if not is_ip(host, version=int(kind[2])):
            raise AddressError(f"{text!r} holds no {kind} address")
    elif not _NAME.fullmatch(host):
        raise AddressError(f"{text!r} names no host; names of other letters are written in their xn-- form")
    if len(parts) == 5:
        return Address(kind, host, port, None, websocket)
    if parts[5] != "p2p":
        raise AddressError(f"{text!r} must end in /p2p/ID")
    return Address(kind, host, port, _node_id(parts[6], text), websocket)


def to_wire(address: Address) -> bytes:
    """The binary multiaddr without the peer id, as identify carries it."""
    return bytes(Multiaddr(str(replace(address, node_id=None))).to_bytes())


def from_wire(data: bytes) -> Address:
    """Raises AddressError for whatever this host cannot dial."""
    if len(data) > MAX_WIRE_BYTES:  # nothing that can be dialled is; 64 kB of small parts take the library 60 ms
        raise AddressError("a binary multiaddr is too long")
    try:
        text = str(Multiaddr(data))
    except Exception as error:  # bytes of a peer; the library raises many kinds without a common base
        raise AddressError("not a binary multiaddr") from error
    return parse_address(text)


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise AddressError(f"{whole!r} holds no port")
    return int(text)


def _node_id(text: str, whole: str) -> bytes:
    try:
        return node_id_of(ID.from_string(text))
    except (ValueError, PeerError) as error:
        raise AddressError(f"{whole!r} does not end in the peer id of an Ed25519 key") from error
