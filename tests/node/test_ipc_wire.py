import pytest
from hypothesis import given, strategies as st

from pushmesh_node import ipc
from pushmesh_node.ipc import IpcError
from pushmesh_node.ipc_wire import MAX_MESSAGE_BYTES, down_decoder, encode, up_decoder

SETTINGS = ipc.Settings()
START = ipc.Start(
    version=ipc.IPC_VERSION,
    node_seed=b"\x07" * 32,
    network_id=b"\x01" * 32,
    network="name = 'dev'",
    agent="pushmesh/0.1.0",
    listen=["/ip4/127.0.0.1/tcp/0"],
    announce=[],
    bootstrap=[],
    shards=8,
    control_kinds=["grant"],
    stream_protocols=["/pushmesh/sync/1"],
    settings=SETTINGS,
)
VERDICT = ipc.ItemVerdict(None, "chain", b"\x02" * 32, b"\x03" * 32, False, 300)
ENTRY = ipc.BookEntry(b"\x06" * 32, ["/ip4/127.0.0.1/tcp/1/p2p/x"], 1_700_000_000_000, -1_500, True, 0, 0)
DOWN: list[ipc.Down] = [
    START,
    ipc.Stop(),
    ipc.Publish("/t", b"data"),
    ipc.Judge(1, ipc.ACCEPT, "ok", 300),
    ipc.Subscribe(["/t", "/u"]),
    ipc.Known([b"\x04" * 32]),
    ipc.Allowances(0, [(b"\x00" + b"\x05" * 20, 64)], first_epoch=3, replace=False),
    ipc.Scores([(b"\x06" * 32, -1500)]),
    ipc.Dial("/ip4/127.0.0.1/tcp/1/p2p/x"),
    ipc.Ban(b"\x06" * 32, 60),
    ipc.Remember([ENTRY]),
    ipc.Seek(bytes(32)),
]
BOTH: list[ipc.Both] = [
    ipc.Credit(1, 300),
    ipc.StreamOpen(2, b"\x06" * 32, "/pushmesh/sync/1"),
    ipc.StreamData(2, b"x"),
    ipc.StreamClose(2, None),
    ipc.StreamClose(3, "reset"),
    ipc.StreamCredit(2, 65536),
]
UP: list[ipc.Up] = [
    ipc.Ready(ipc.IPC_VERSION, "12D3", b"\x06" * 32, ["/ip4/127.0.0.1/tcp/1/p2p/12D3"]),
    ipc.Frame(9, b"\x06" * 32, "/t", b"frame", [VERDICT]),
    ipc.Peer(b"\x06" * 32, [], False, "ping"),
    ipc.Stats([("rpc_in", "", 5)], [("peers", "", 2)]),
    ipc.Book([ENTRY]),
    ipc.Peers([ipc.PeerState(b"\x06" * 32, True, 5, "::1", "/meshsub/1.2.0", "a", ["/t"], [("total", -1_500)])]),
]
ALL_DOWN: list[ipc.Down] = [*DOWN, *BOTH]
ALL_UP: list[ipc.Up] = [*UP, *BOTH]


def test_every_message_survives_the_way_down_and_up() -> None:
    assert down_decoder().feed(encode(ALL_DOWN)) == ALL_DOWN
    assert up_decoder().feed(encode(ALL_UP)) == ALL_UP


def test_the_samples_cover_every_message_type() -> None:
    assert {type(m) for m in ALL_DOWN} == set(ipc.Down.__args__)
    assert {type(m) for m in ALL_UP} == set(ipc.Up.__args__)


def test_type_numbers_are_the_first_element_and_fixed() -> None:
    assert encode([ipc.Judge(1, ipc.IGNORE)]) == b"\x00\x00\x00\x06" + bytes([0x95, 4, 1, 1, 0xA0, 0])
    assert encode([ipc.Credit(1, 2)]) == b"\x00\x00\x00\x04" + bytes([0x93, 20, 1, 2])


@given(st.lists(st.integers(1, 40), max_size=40))
def test_pieces_of_any_size_give_the_same_messages(cuts: list[int]) -> None:
    stream = encode(ALL_UP)
    decoder = up_decoder()
    out: list[ipc.Up] = []
    at = 0
    for cut in cuts:
        out += decoder.feed(stream[at : at + cut])
        at += cut
    out += decoder.feed(stream[at:])
    assert out == ALL_UP


def test_a_message_meant_for_the_other_direction_is_refused() -> None:
    with pytest.raises(IpcError):
        up_decoder().feed(encode([ipc.Stop()]))


def test_an_announced_oversize_message_is_refused_before_it_arrives() -> None:
    with pytest.raises(IpcError, match="over the limit"):
        up_decoder().feed((MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))


def test_an_oversize_message_is_not_encoded() -> None:
    with pytest.raises(IpcError, match="Publish of"):
        encode([ipc.Publish("/t", bytes(MAX_MESSAGE_BYTES))])


def test_a_broken_decoder_stays_broken() -> None:
    decoder = up_decoder()
    with pytest.raises(IpcError):
        decoder.feed(b"\x00\x00\x00\x01\xc1")
    with pytest.raises(IpcError):
        decoder.feed(encode(UP))


@pytest.mark.parametrize(
    "body",
    [
        b"\x91\x02\x00",  # a second message behind the first in one length
        b"\x92\x02\x00",  # one field too many
        b"\x91\x63",  # no such type
        b"\x92\x09\xc4\x01a",  # bytes for text
        b"\x92\x09\xa1\xff",  # not UTF-8
        b"\x93\x0a\xc4\x01a\x00",  # a node id of one byte
        b"\x93\x14\xff\x00",  # a negative credit
        b"\x91" * 500,
    ],
)
def test_a_malformed_message_is_an_ipc_error(body: bytes) -> None:
    with pytest.raises(IpcError):
        down_decoder().feed(len(body).to_bytes(4, "big") + body)


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_any_bytes_give_messages_or_an_ipc_error(bodies: list[bytes], framed: bool) -> None:
    decoder = down_decoder()
    try:
        for body in bodies:
            decoder.feed(len(body).to_bytes(4, "big") + body if framed else body)
    except IpcError:
        pass


@given(st.sampled_from(ALL_DOWN), st.integers(4, 400), st.integers(0, 255))
def test_a_damaged_message_gives_messages_or_an_ipc_error(message: ipc.Down, at: int, value: int) -> None:
    stream = bytearray(encode([message]))
    stream[at % len(stream)] = value
    try:
        down_decoder().feed(stream)
    except IpcError:
        pass
