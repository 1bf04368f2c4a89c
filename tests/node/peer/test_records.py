import multiaddr  # type: ignore[import-untyped]  # multiaddr carries no types
import pytest
from hypothesis import given, strategies as st
from libp2p.peer.envelope import consume_envelope, seal_record as seal_by_library
from libp2p.peer.peer_record import PeerRecord as LibraryRecord

from pushmesh_node.gossip.wire.protobuf import bytes_field, number_field
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys, peer_id_of
from pushmesh_node.peer.records import MAX_ADDRESSES, MAX_RECORD_BYTES, PeerRecord, open_record, seal_record
from support.trio_hosts import keys_of

SEED = keys_of(1)
NODE = node_id_of_keys(key_pair_from(SEED))
HERE = parse_address("/ip4/10.0.0.1/tcp/1")
THERE = Address("ip4", "10.0.0.1", 1, NODE)


def test_what_is_sealed_is_opened() -> None:
    assert open_record(seal_record(SEED, 7, [HERE])) == PeerRecord(NODE, 7, (THERE,))


def test_another_implementation_opens_ours() -> None:
    envelope, record = consume_envelope(seal_record(SEED, 7, [HERE]), "libp2p-peer-record")
    assert (record.peer_id, record.seq) == (peer_id_of(NODE), 7)
    assert [str(address) for address in record.addrs] == [str(HERE)]
    assert envelope.public_key == key_pair_from(SEED).public_key


def test_ours_opens_another_implementations() -> None:
    keys = key_pair_from(SEED)
    theirs = LibraryRecord(peer_id_of(NODE), [multiaddr.Multiaddr(str(HERE))], 9)
    data = seal_by_library(theirs, keys.private_key).marshal_envelope()
    assert open_record(data) == PeerRecord(NODE, 9, (THERE,))


def test_a_record_of_another_peer_is_refused() -> None:
    other = key_pair_from(keys_of(2))
    forged = LibraryRecord(peer_id_of(NODE), [], 9)
    with pytest.raises(PeerError, match="another peer"):
        open_record(seal_by_library(forged, other.private_key).marshal_envelope())


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal_record(SEED, 7, [HERE])
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(PeerError):
            open_record(bytes(changed))


def test_an_envelope_of_something_else_is_no_record() -> None:
    with pytest.raises(PeerError, match="no peer record"):
        open_record(bytes_field(2, b"\x03\x02"))


def test_a_key_of_another_kind_is_refused() -> None:
    rsa = number_field(1, 0) + bytes_field(2, NODE)
    with pytest.raises(PeerError, match="not Ed25519"):
        open_record(bytes_field(1, rsa) + bytes_field(2, b"\x03\x01"))


def test_addresses_are_bounded_and_only_the_peers_own() -> None:
    many = [Address("ip4", "10.0.0.1", port) for port in range(1, 20)]
    assert len(open_record(seal_record(SEED, 1, many)).addresses) == MAX_ADDRESSES
    assert open_record(seal_record(SEED, 1, [])).addresses == ()


def test_a_record_is_bounded() -> None:
    with pytest.raises(PeerError, match="too long"):
        open_record(bytes(MAX_RECORD_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_record_or_a_peers_error(data: bytes) -> None:
    with pytest.raises(PeerError):
        open_record(data)
