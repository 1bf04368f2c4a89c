import subprocess
import sys

import pytest

from pushmesh_node.peer.address import to_wire
from pushmesh_node.peer.hosts import (
    Address,
    address_of,
    as_reached,
    is_ip,
    is_loopback,
    is_public,
    may_name,
    may_tell,
)
from pushmesh_node.peer.identity import peer_id_of

NODE = bytes(range(32))


def test_an_address_is_shown_with_the_peer_id_that_libp2p_gives() -> None:
    assert str(Address("ip4", "10.0.0.1", 1, NODE)) == f"/ip4/10.0.0.1/tcp/1/p2p/{peer_id_of(NODE)}"
    assert str(Address("dns4", "node.example", 2)) == "/dns4/node.example/tcp/2"
    assert str(Address("ip4", "10.0.0.1", 1, NODE, True)) == f"/ip4/10.0.0.1/tcp/1/ws/p2p/{peer_id_of(NODE)}"


def test_sockets_ends_become_addresses() -> None:
    assert address_of("127.0.0.1", 1) == Address("ip4", "127.0.0.1", 1)
    assert address_of("fe80::1%eth0", 1, NODE) == Address("ip6", "fe80::1", 1, NODE)


@pytest.mark.parametrize(
    ("local", "told"), [("8.8.8.8", ("ip4", "8.8.8.8", 1)), ("fe80::1%eth0", ("ip6", "fe80::1", 2))]
)
def test_who_reached_this_node_is_told_what_it_reached_for_a_wildcard_of_its_kind(
    local: str, told: tuple[str, str, int]
) -> None:
    both = [Address("ip4", "0.0.0.0", 1, NODE), Address("ip6", "::", 2, NODE), Address("ip4", "9.9.9.9", 3, NODE)]
    addresses = as_reached(both, local)
    assert addresses == [Address(*told, NODE), Address("ip4", "9.9.9.9", 3, NODE)]
    assert all(to_wire(address) for address in addresses)


def test_loopback_is_told_from_the_rest() -> None:
    assert is_loopback("127.9.9.9") and is_loopback("::1") and is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("10.0.0.1") and not is_loopback("localhost")
    assert is_ip("::1", 6) and not is_ip("::1", 4) and not is_ip("x", 4)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_those_that_anybody_can_reach(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.1", "169.254.1.1", "fe80::1", "fd00::1", "224.0.0.1", "a.example"]
)
def test_no_other_is_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    ("speaker", "named", "allowed"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "10.0.0.1", False),
        ("8.8.8.8", "127.0.0.1", False),
        ("8.8.8.8", "::ffff:10.0.0.1", False),
        ("8.8.8.8", "0.0.0.0", False),
        ("8.8.8.8", "224.0.0.1", False),
        ("8.8.8.8", "localhost", False),
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "9.9.9.9", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "10.0.0.1", True),
        ("a.example", "9.9.9.9", False),
    ],
)
def test_a_peer_sends_this_node_only_where_it_could_be_itself(speaker: str, named: str, allowed: bool) -> None:
    assert may_name(speaker, named) is allowed


def test_a_name_may_be_told_by_anybody() -> None:
    assert may_tell("8.8.8.8", Address("dns4", "localhost", 1))
    assert not may_tell("8.8.8.8", Address("ip4", "10.0.0.1", 1))


def test_the_policy_of_peers_needs_no_libp2p() -> None:
    """The simulator runs it for thousands of nodes, and libp2p takes two seconds to import."""
    code = (
        "import sys, pushmesh_node.peer.book, pushmesh_node.peer.limits, pushmesh_node.peer.bans;"
        "sys.exit('libp2p' in sys.modules or 'trio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
