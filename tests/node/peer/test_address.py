import pytest

from pushmesh_node.peer.address import from_wire, parse_address, to_wire
from pushmesh_node.peer.errors import AddressError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import peer_id_of

NODE = bytes(range(32))
PEER = str(peer_id_of(NODE))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/ip4/127.0.0.1/tcp/4001", Address("ip4", "127.0.0.1", 4001)),
        ("/ip6/::1/tcp/0", Address("ip6", "::1", 0)),
        ("/ip4/127.0.0.1/tcp/4001/ws", Address("ip4", "127.0.0.1", 4001, None, True)),
        (f"/ip6/::1/tcp/1/ws/p2p/{PEER}", Address("ip6", "::1", 1, NODE, True)),
        (f"/dns4/node.example/tcp/65535/p2p/{PEER}", Address("dns4", "node.example", 65535, NODE)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address and str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:4001",
        "/ip4/127.0.0.1/udp/4001",
        "/ip4/127.0.0.1/tcp/1/wss",
        "/ip4/127.0.0.1/tcp/1/tls/ws",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip4/127.0.0.1/tcp/٣",
        "/ip4/::1/tcp/1",
        "/ip6/127.0.0.1/tcp/1",
        "/dns4//tcp/1",
        "/dns4/a\u00adb.example/tcp/1",  # a letter that nobody sees
        "/dns4/a\nb/tcp/1",
        "/dns4/" + "a." * 127 + "/tcp/1",
        f"/ip6/fe80::1%{'z' * 250}/tcp/1",
        "/ip4/127.0.0.1/tcp/1/ws/x",
        "/ip4/127.0.0.1/tcp/1/p2p/nonsense",
        "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",  # no Ed25519 key inside
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit",
    ],
)
def test_any_other_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["/ip4/127.0.0.1/udp/4001/quic-v1", f"/ip4/1.2.3.4/udp/1/quic/p2p/{PEER}"])
def test_quic_is_refused_with_what_to_use(text: str) -> None:
    with pytest.raises(AddressError, match="QUIC, which this node does not speak; use TCP or WebSocket"):
        parse_address(text)


def test_addresses_survive_their_binary_form_without_the_peer() -> None:
    for text in ("/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/2", "/dns4/a.example/tcp/3", "/ip4/1.2.3.4/tcp/4/ws"):
        assert str(from_wire(to_wire(parse_address(text)))) == text
    assert from_wire(to_wire(parse_address(f"/ip4/10.0.0.1/tcp/1/p2p/{PEER}"))).node_id is None


def test_a_long_binary_form_is_not_even_looked_at() -> None:
    name = b"\x36\xfb\x01" + b"a." * 125 + b"a" + b"\x06\x00\x01"
    assert from_wire(name).host == "a." * 125 + "a"
    with pytest.raises(AddressError, match="too long"):
        from_wire(name + b"\xa5\x03\x80\x02" + bytes(256))


@pytest.mark.parametrize("data", [b"", b"\x04", b"\xff" * 9, b"\x04\x7f\x00\x00\x01\x91\x02\x10\x00"])
def test_binary_nonsense_and_other_transports_are_refused(data: bytes) -> None:
    with pytest.raises(AddressError):
        from_wire(data)
