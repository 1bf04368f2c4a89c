from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from multiaddr import Multiaddr  # type: ignore[import-untyped]  # multiaddr carries no types

from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.literals import from_literal, to_literal

addresses = st.one_of(
    st.builds(Address, st.just("ip4"), st.ip_addresses(v=4).map(str), st.integers(1, 65_535), st.none(), st.booleans()),
    st.builds(Address, st.just("ip6"), st.ip_addresses(v=6).map(str), st.integers(1, 65_535), st.none(), st.booleans()),
)


@given(addresses)
def test_libp2p_writes_the_same_bytes(address: Address) -> None:
    data = to_literal(address)
    assert data == bytes(Multiaddr(str(address)).to_bytes())
    assert data is not None and from_literal(data) == replace(address, host=host_of(address))


def host_of(address: Address) -> str:
    """As libp2p writes it back: IPv6 addresses have several forms."""
    data = Multiaddr(str(address)).to_bytes()
    return str(Multiaddr(data)).split("/")[2]


def test_the_peer_it_belongs_to_is_kept() -> None:
    data = to_literal(Address("ip4", "192.0.2.1", 4001))
    assert data is not None and from_literal(data, b"n" * 32) == Address("ip4", "192.0.2.1", 4001, b"n" * 32)


def test_names_have_no_literal_form() -> None:
    assert to_literal(Address("dns4", "node.example", 4001)) is None


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/192.0.2.1/udp/4001",
        "/ip4/192.0.2.1/tcp/0",
        "/ip4/192.0.2.1/tcp/4001/wss",
        "/ip4/192.0.2.1/tcp/4001/tls/ws",
        "/dns4/node.example/tcp/4001",
        "/ip4/192.0.2.1",
    ],
)
def test_other_addresses_are_none(text: str) -> None:
    assert from_literal(Multiaddr(text).to_bytes()) is None


@given(st.binary(max_size=40))
def test_any_bytes_give_an_address_or_none(data: bytes) -> None:
    address = from_literal(data)
    assert address is None or to_literal(address) == data
