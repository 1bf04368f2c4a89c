"""Where a connection comes from: which addresses count as one place, and which are this machine. Pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

PLACE_BITS = 64
"""Of an IPv6 address: one customer holds all addresses behind them."""


REMEMBERED = 8_192
"""Answers about addresses: each connection asks several times about the same one, and reading one takes long."""


@lru_cache(REMEMBERED)
def place_of(address: str) -> str:
    """What limits count by: an IPv4 address, the /64 of an IPv6 address; any other text, as a Unix socket's "", is
    its own place."""
    parsed = literal(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> PLACE_BITS << PLACE_BITS)}/{PLACE_BITS}"
    return address if parsed is None else str(parsed)


@lru_cache(REMEMBERED)
def subnet_of(address: str) -> str:
    """What limits of whole networks count by: the /24 of an IPv4 address, the /48 of an IPv6 address, other texts as
    they are."""
    parsed = literal(address)
    match parsed:
        case IPv4Address():
            return f"{IPv4Address(int(parsed) >> 8 << 8)}/24"
        case IPv6Address():
            return f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
        case None:
            return address


def is_this_machine(address: str) -> bool:
    """Loopback, or a Unix socket, which has no address."""
    parsed = literal(address)
    return address == "" if parsed is None else parsed.is_loopback


def literal(address: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a text is, None for names; an IPv4 address in IPv6 clothes is the IPv4 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped
