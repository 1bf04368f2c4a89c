import pytest
from hypothesis import given, strategies as st
from libp2p.pubsub.pb import rpc_pb2

from pushmesh_node.gossip.wire.protobuf import bytes_field
from pushmesh_node.gossip.wire.rpc import (
    MAX_CONTROL_ENTRIES,
    MAX_EXCHANGED_PEERS,
    MAX_FIELDS,
    MAX_MESSAGE_IDS,
    MAX_MESSAGES,
    MAX_RPC_BYTES,
    MAX_SUBSCRIPTIONS,
    ExchangedPeer,
    Graft,
    IHave,
    Message,
    Prune,
    Rpc,
    RpcError,
    Subscription,
)
from pushmesh_node.gossip.wire.rpc_wire import decode, decode_counting, encode

topics = st.text(max_size=40)
ids = st.tuples(st.binary(max_size=30), st.binary(max_size=30)) | st.just(())
some_ids = st.lists(st.binary(max_size=30), max_size=4).map(tuple)
rpcs = st.builds(
    Rpc,
    subscriptions=st.lists(st.builds(Subscription, st.booleans(), topics), max_size=3).map(tuple),
    messages=st.lists(st.builds(Message, topics, st.binary(max_size=300)), max_size=3).map(tuple),
    ihave=st.lists(st.builds(IHave, topics, some_ids), max_size=3).map(tuple),
    iwant=some_ids,
    graft=st.lists(st.builds(Graft, topics), max_size=3).map(tuple),
    prune=st.lists(
        st.builds(
            Prune,
            topics,
            st.lists(st.builds(ExchangedPeer, st.binary(max_size=40), st.binary(max_size=40)), max_size=2).map(tuple),
            st.integers(0, 2**64 - 1),
        ),
        max_size=3,
    ).map(tuple),
    idontwant=some_ids,
    choke=st.lists(topics, max_size=3).map(tuple),
    unchoke=st.lists(topics, max_size=3).map(tuple),
)
FULL = Rpc(
    (Subscription(True, "/a"), Subscription(False, "/b")),
    (Message("/a", b"\x00\xff"), Message("/b", b"")),
    (IHave("/a", (b"1", b"2")),),
    (b"3",),
    (Graft("/a"),),
    (Prune("/b", (ExchangedPeer(b"p", b"r"),), 60),),
    (b"4", b"5"),
    ("/a",),
    ("/b",),
)


@given(rpcs)
def test_what_is_encoded_decodes_to_itself(rpc: Rpc) -> None:
    assert decode(encode(rpc)) == rpc


def test_another_implementation_reads_every_field() -> None:
    theirs = rpc_pb2.RPC()
    theirs.ParseFromString(encode(FULL))
    assert [(sub.subscribe, sub.topicid) for sub in theirs.subscriptions] == [(True, "/a"), (False, "/b")]
    assert [(list(one.topicIDs), one.data) for one in theirs.publish] == [(["/a"], b"\x00\xff"), (["/b"], b"")]
    assert [one.topicID for one in theirs.control.graft] == ["/a"]
    assert [(one.topicID, one.backoff, one.peers[0].peerID) for one in theirs.control.prune] == [("/b", 60, b"p")]


def test_another_implementations_bytes_are_read() -> None:
    theirs = rpc_pb2.RPC()
    theirs.subscriptions.add(subscribe=True, topicid="/a")
    theirs.publish.add(data=b"x", topicIDs=["/a"], from_id=b"me", seqno=b"1", signature=b"s", key=b"k")
    theirs.control.graft.add(topicID="/a")
    rpc = decode(theirs.SerializeToString())
    assert rpc == Rpc((Subscription(True, "/a"),), (Message("/a", b"x", signed=True),), graft=(Graft("/a"),))


@pytest.mark.parametrize("field", [1, 3, 5, 6])
def test_each_field_that_strict_no_sign_forbids_is_noticed_even_when_empty(field: int) -> None:
    message = b"\x12\x01x\x22\x02/a" + bytes((field << 3 | 2, 0))
    rpc = decode(b"\x12" + bytes((len(message),)) + message)
    assert rpc.messages == (Message("/a", b"x", signed=True),)


def test_unknown_fields_of_every_wire_type_are_skipped() -> None:
    unknown = b"\x78\x05" + b"\x7a\x02ab" + b"\x79" + bytes(8) + b"\x7d" + bytes(4)
    assert decode(unknown + encode(FULL) + unknown) == FULL


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",  # no length
        b"\x0a\x05ab",  # cut off
        b"\x08\x01",  # a number where a message is due
        b"\x0b",  # a group
        b"\x02\x00",  # field number 0
        b"\x0a\x04\x12\x02\xff\xfe",  # a topic that is not UTF-8
        b"\xff" * 11,  # a varint without end
        b"\x0a\x03\x08\x80\x80",  # a varint cut off inside
        b"\x12\x02\x10\x01",  # a number for data
    ],
)
def test_malformed_bytes_are_an_rpc_error(data: bytes) -> None:
    with pytest.raises(RpcError):
        decode(data)


TEN_PEERS = (ExchangedPeer(b"p", b""),) * 10


@pytest.mark.parametrize(
    "rpc",
    [
        Rpc(subscriptions=(Subscription(True, "/a"),) * MAX_SUBSCRIPTIONS),
        Rpc(messages=(Message("", b""),) * MAX_MESSAGES),
        Rpc(iwant=(b"1",) * MAX_MESSAGE_IDS),
        Rpc(ihave=(IHave("/a", ()),) * MAX_CONTROL_ENTRIES),
        Rpc(graft=(Graft("/a"),) * MAX_CONTROL_ENTRIES),
        Rpc(prune=(Prune("/a", TEN_PEERS),) * MAX_CONTROL_ENTRIES),
        Rpc(prune=(Prune("/a", (ExchangedPeer(bytes(128), b""),) * MAX_EXCHANGED_PEERS),)),
        Rpc(messages=(Message("x" * 256, b""),)),
        Rpc(idontwant=(bytes(128),)),
        Rpc(messages=(Message("", bytes(MAX_RPC_BYTES - 10)),)),
    ],
)
def test_what_is_at_a_limit_is_read(rpc: Rpc) -> None:
    assert decode(encode(rpc)) == rpc


def test_an_rpc_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    full = encode(Rpc(messages=(Message("", bytes(MAX_RPC_BYTES - 10)),)))
    assert len(full) == MAX_RPC_BYTES
    with pytest.raises(RpcError, match="over the limit"):
        decode(full + b"\x1a")


def test_ids_of_several_entries_come_together() -> None:
    entries = b"".join(bytes_field(kind, bytes_field(1, one)) for one in (b"1", b"2") for kind in (2, 5))
    assert decode(bytes_field(3, entries)) == Rpc(iwant=(b"1", b"2"), idontwant=(b"1", b"2"))


@pytest.mark.parametrize(
    "rpc",
    [
        Rpc(subscriptions=(Subscription(True, "/a"),) * (MAX_SUBSCRIPTIONS + 1)),
        Rpc(messages=(Message("", b""),) * (MAX_MESSAGES + 1)),
        Rpc(ihave=(IHave("/a", ()),) * (MAX_CONTROL_ENTRIES + 1)),
        Rpc(prune=(Prune("/a"),) * (MAX_CONTROL_ENTRIES + 1)),
        Rpc(prune=(Prune("/a", (ExchangedPeer(b"p", b""),) * (MAX_EXCHANGED_PEERS + 1)),)),
        Rpc(prune=(Prune("/a", (ExchangedPeer(bytes(129), b""),)),)),
        Rpc(idontwant=(bytes(129),)),
        Rpc(iwant=(b"1",) * (MAX_MESSAGE_IDS + 1)),
        Rpc(ihave=(IHave("/a", (b"1",) * (MAX_MESSAGE_IDS // 2 + 1)),) * 2),
        Rpc(graft=(Graft("/a"),) * 513),
        Rpc(messages=(Message("x" * 257, b""),)),
        Rpc(messages=(Message("", bytes(MAX_RPC_BYTES)),)),
    ],
)
def test_what_is_over_a_limit_is_an_rpc_error(rpc: Rpc) -> None:
    with pytest.raises(RpcError):
        decode(encode(rpc))


def many(field: bytes, *around: int) -> bytes:
    """An RPC as large as allowed, full of one field, within messages of these numbers, innermost first."""
    body = field * ((MAX_RPC_BYTES - 32) // len(field))
    for number in around:
        body = bytes_field(number, body)
    return body


LONG_NUMBER = b"\x78" + b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize(
    "data",
    [
        many(b"\x78\x05"),
        many(b"\x6a\x00"),
        many(LONG_NUMBER),
        many(b"\xf8" + b"\x80" * 8 + b"\x00\x01"),
        many(b"\x1a\x00"),
        many(b"\x12\x00", 3),
        many(b"\x08\x01", 1),
        many(b"\x12\x00", 2),
        many(b"\x22\x00", 2),
        many(b"\x0a\x00", 1, 3),
        many(b"\x12\x00", 1, 3),
        many(b"\x0a\x00", 2, 3),
        many(b"\x0a\x00", 3, 3),
        many(b"\x18\x01", 4, 3),
        many(b"\x0a\x00", 2, 4, 3),
        many(bytes_field(2, b"\x78\x05" * 500)),
        many(bytes_field(3, bytes_field(4, LONG_NUMBER * 200))),
    ],
)
def test_what_is_dear_to_read_is_refused_before_it_is_read(data: bytes) -> None:
    assert len(data) <= MAX_RPC_BYTES
    with pytest.raises(RpcError, match="too many fields"):
        decode(data)


def test_it_is_told_how_many_fields_an_rpc_took_known_or_not() -> None:
    assert decode_counting(b"") == (Rpc(), 0)
    assert decode_counting(b"\x38\x00" * 5) == (Rpc(), 5)
    assert decode_counting(encode(Rpc(messages=(Message("/a", b"data"),))))[1] == 3
    assert decode_counting(encode(Rpc(iwant=(b"1", b"2")))) == (Rpc(iwant=(b"1", b"2")), 4)


def test_fields_are_counted_over_all_parts_of_an_rpc() -> None:
    part = bytes_field(3, b"\x6a\x00" * (MAX_FIELDS // 4 - 1))
    assert decode(part * 4) == Rpc()
    with pytest.raises(RpcError, match="too many fields"):
        decode(part * 4 + b"\x6a\x00")


@given(st.binary(max_size=200))
def test_any_bytes_give_an_rpc_or_an_rpc_error(data: bytes) -> None:
    try:
        decode(data)
    except RpcError:
        pass


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_rpc_gives_an_rpc_or_an_rpc_error(at: int, value: int) -> None:
    data = bytearray(encode(FULL))
    data[at % len(data)] = value
    try:
        decode(bytes(data))
    except RpcError:
        pass
