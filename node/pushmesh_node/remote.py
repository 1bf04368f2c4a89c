"""Where a connection comes from: which addresses count as one place, and which are this machine. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address

PLACE_BITS = 64
"""Of an IPv6 address: one customer holds all addresses behind them."""


def place_of(address: str) -> str:
    """What limits count by: an IPv4 address, the /64 of an IPv6 address; any other text, as a Unix socket's "", is
    its own place."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> PLACE_BITS << PLACE_BITS)}/{PLACE_BITS}"
    return address if parsed is None else str(parsed)


def is_this_machine(address: str) -> bool:
    """Loopback, or a Unix socket, which has no address."""
    parsed = _parsed(address)
    return address == "" if parsed is None else parsed.is_loopback


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped
