import pytest
from hypothesis import given, strategies as st
from libp2p.kad_dht.pb.kademlia_pb2 import Message, Record

from pushmesh_node.gossip.kad.contacts import MAX_ADDRESSES, K
from pushmesh_node.gossip.kad.wire import (
    MAX_ADDRESS_BYTES,
    MAX_FIELDS,
    MAX_KEY_BYTES,
    Asked,
    KadMessage,
    Told,
    decode_kad,
    encode_kad,
)
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.protobuf import bytes_field
from pushmesh_node.gossip.wire.rpc import RpcError

told = st.builds(
    Told,
    st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=1, max_size=60), max_size=MAX_ADDRESSES).map(tuple),
)
messages = st.builds(
    KadMessage, st.sampled_from(Asked), st.binary(max_size=MAX_KEY_BYTES), st.lists(told, max_size=K).map(tuple)
)
FULL = KadMessage(Asked.FIND_NODE, to_peer_id(b"k" * 32), (Told(b"a" * 32, (b"1", b"2")), Told(b"b" * 32, ())))


@given(messages)
def test_messages_survive(message: KadMessage) -> None:
    assert decode_kad(encode_kad(message)) == message


@given(messages)
def test_libp2p_reads_what_we_write(message: KadMessage) -> None:
    theirs = Message.FromString(encode_kad(message))
    assert (theirs.type, theirs.key) == (int(message.kind), message.key)
    assert [(peer.id, tuple(peer.addrs), peer.connection) for peer in theirs.closerPeers] == [
        (to_peer_id(peer.node_id), peer.addresses, Message.CAN_CONNECT) for peer in message.closer
    ]


def test_we_read_what_libp2p_writes() -> None:
    theirs = Message(type=Message.FIND_NODE, key=b"key", clusterLevelRaw=1, senderRecord=b"an envelope")
    theirs.closerPeers.add(id=to_peer_id(b"a" * 32), addrs=[b"1"], connection=Message.CONNECTED, signedRecord=b"s")
    theirs.providerPeers.add(id=b"provider")
    message = KadMessage(Asked.FIND_NODE, b"key", (Told(b"a" * 32, (b"1",)),))
    assert decode_kad(theirs.SerializeToString()) == message


def test_peers_without_an_ed25519_key_are_passed_over() -> None:
    theirs = Message(type=Message.FIND_NODE)
    theirs.closerPeers.add(id=b"\x12\x20" + bytes(32), addrs=[b"1"])
    theirs.closerPeers.add(id=to_peer_id(b"a" * 32))
    assert decode_kad(theirs.SerializeToString()).closer == (Told(b"a" * 32, ()),)


def test_of_too_many_peers_and_addresses_the_first_count() -> None:
    theirs = Message(type=Message.FIND_NODE)
    for n in range(K + 5):
        theirs.closerPeers.add(id=to_peer_id(bytes([n]) * 32), addrs=[b"1"] * (MAX_ADDRESSES + 3))
    closer = decode_kad(theirs.SerializeToString()).closer
    assert [peer.node_id[0] for peer in closer] == list(range(K))
    assert {len(peer.addresses) for peer in closer} == {MAX_ADDRESSES}


@pytest.mark.parametrize(
    "theirs",
    [
        Message(type=Message.FIND_NODE, key=bytes(MAX_KEY_BYTES + 1)),
        Message(type=Message.FIND_NODE, closerPeers=[Message.Peer(id=b"i", addrs=[bytes(MAX_ADDRESS_BYTES + 1)])]),
    ],
)
def test_oversize_is_refused(theirs: Message) -> None:
    with pytest.raises(RpcError):
        decode_kad(theirs.SerializeToString())


def test_fields_are_counted_over_all_parts_of_a_message() -> None:
    peer = bytes_field(8, b"\x38\x00" * (MAX_FIELDS - 1))
    assert decode_kad(peer) == KadMessage(Asked.PUT_VALUE)
    with pytest.raises(RpcError, match="too many fields"):
        decode_kad(peer + b"\x38\x00")


@pytest.mark.parametrize("kind", Message.MessageType.values())
def test_every_kind_of_libp2p_is_known(kind: Message.MessageType) -> None:
    theirs = Message(type=kind, key=b"k", record=Record(key=b"k", value=b"v"))
    assert decode_kad(theirs.SerializeToString()) == KadMessage(Asked(kind), b"k")


@pytest.mark.parametrize("data", [b"\x08\x06", b"\x0a\x01\x04", b"\x10\x04", b"\x08\x04\x40\x01", b"\x08\x04\x42\x09x"])
def test_fields_of_the_wrong_type_are_refused(data: bytes) -> None:
    with pytest.raises(RpcError):
        decode_kad(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_an_rpc_error(data: bytes) -> None:
    try:
        decode_kad(data)
    except RpcError:
        pass


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_message_gives_a_message_or_an_rpc_error(at: int, value: int) -> None:
    data = bytearray(encode_kad(FULL))
    data[at % len(data)] = value
    try:
        decode_kad(bytes(data))
    except RpcError:
        pass
