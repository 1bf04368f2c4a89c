import pytest
from hypothesis import given, strategies as st

from pushmesh_node.gossip.wire.framing import RpcSplitter, frame
from pushmesh_node.gossip.wire.rpc import MAX_RPC_BYTES, RpcError


@given(st.lists(st.binary(max_size=400), max_size=8), st.lists(st.integers(1, 50), max_size=60))
def test_pieces_of_any_size_give_the_same_rpcs(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(body) for body in bodies)
    splitter = RpcSplitter()
    out: list[bytes] = []
    at = 0
    for cut in cuts:
        out += splitter.feed(stream[at : at + cut])
        at += cut
    assert out + splitter.feed(stream[at:]) == bodies


def test_an_rpc_that_comes_byte_by_byte_arrives_whole() -> None:
    splitter = RpcSplitter()
    out = [body for byte in frame(b"x" * 300) for body in splitter.feed(bytes((byte,)))]
    assert out == [b"x" * 300]


def test_an_announced_oversize_rpc_is_refused_before_it_arrives() -> None:
    with pytest.raises(RpcError, match="over the limit"):
        RpcSplitter().feed(frame(b"")[:0] + b"\x81\x80\x40")
    assert MAX_RPC_BYTES == 0x100000


def test_the_largest_rpc_arrives_and_one_byte_more_does_not() -> None:
    assert RpcSplitter().feed(frame(bytes(MAX_RPC_BYTES))) == [bytes(MAX_RPC_BYTES)]
    with pytest.raises(RpcError, match="over the limit"):
        RpcSplitter().feed(frame(bytes(MAX_RPC_BYTES + 1)))


def test_an_rpc_is_told_with_its_last_byte_even_when_that_is_of_its_length() -> None:
    splitter = RpcSplitter()
    assert [splitter.feed(b"\x01a\x80"), splitter.feed(b"\x00"), splitter.feed(b"\x01b")] == [[b"a"], [b""], [b"b"]]


def test_a_length_that_never_ends_is_refused() -> None:
    with pytest.raises(RpcError):
        RpcSplitter().feed(b"\xff" * 12)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_give_rpcs_or_an_rpc_error(pieces: list[bytes]) -> None:
    splitter = RpcSplitter()
    try:
        for piece in pieces:
            splitter.feed(piece)
    except RpcError:
        pass
