"""Where peers live: addresses as data, and what an IP address says about itself. Pure, and light to import."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from pushmesh_protocol.base58 import base58_encode

from ..gossip.wire.node_ids import to_peer_id
from ..remote import literal

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens. `host` is an IP address or a name, as `kind` says; `node_id` None if not stated;
    `websocket` if that is spoken there on top of TCP."""

    kind: str
    host: str
    port: int
    node_id: bytes | None = None
    websocket: bool = False

    @property
    def is_name(self) -> bool:
        """Whether somebody must be asked for the IP address."""
        return not self.kind.startswith("ip")

    def __str__(self) -> str:
        """The multiaddr."""
        suffix = f"/p2p/{base58_encode(to_peer_id(self.node_id))}" if self.node_id is not None else ""
        return f"/{self.kind}/{self.host}/tcp/{self.port}{'/ws' if self.websocket else ''}{suffix}"


def address_of(host: str, port: int, node_id: bytes | None = None, websocket: bool = False) -> Address:
    """The address of a socket's end: `host` is an IP address."""
    return Address("ip6" if ":" in host else "ip4", host.split("%")[0], port, node_id, websocket)


def as_reached(listening: Iterable[Address], local: str) -> list[Address]:
    """What a peer is told of where this node listens, which reached it at the IP address `local`: that stands for a
    wildcard of its kind, and a wildcard of the other kind is of no use."""
    reached = address_of(local, 0)
    found = [
        replace(address, host=reached.host) if address.host in _WILDCARDS else address
        for address in listening
        if address.host not in _WILDCARDS or address.kind == reached.kind
    ]
    return list(dict.fromkeys(found))


def is_ip(host: str, version: int) -> bool:
    """True for a literal address of that version."""
    try:
        return ip_address(host).version == version
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """True for literal loopback addresses; names are not looked up."""
    ip = literal(host)
    return ip is not None and ip.is_loopback


def is_public(host: str) -> bool:
    """True for literal addresses that anybody on the Internet can reach; names are not looked up."""
    ip = literal(host)
    return ip is not None and ip.is_global and not ip.is_multicast


def may_tell(speaker: str, address: Address) -> bool:
    """`may_name` for addresses. A name may be told by anybody: it is looked at when it is dialled."""
    return address.is_name or may_name(speaker, address.host)


def may_name(speaker: str, host: str) -> bool:
    """Whether somebody at `speaker` may send this node to `host`, a literal address: the public ones always, those of
    a private network only from inside one, those of this machine only from this machine."""
    ip, own = literal(host), literal(speaker)
    if ip is None or own is None or ip.is_unspecified or ip.is_multicast:
        return False
    if ip.is_loopback or own.is_loopback:
        return own.is_loopback
    return ip.is_global or not own.is_global
