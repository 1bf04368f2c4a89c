import pytest
import trio
from hypothesis import given, strategies as st
from libp2p.identity.identify.identify import parse_identify_response

from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.peer.address import parse_address
from pushmesh_node.peer.connection import Connection, Identity
from pushmesh_node.peer.errors import PeerError
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identify import (
    IDENTIFY,
    MAX_ADDRESSES,
    MAX_PROTOCOLS,
    answer_identify,
    ask_identity,
    describe,
    read_identity,
)
from pushmesh_node.peer.identity import key_pair_from
from pushmesh_node.peer.muxer import Stream
from pushmesh_node.peer.records import MAX_RECORD_BYTES
from support.trio_hosts import connect, hosts, keys_of

KEY = key_pair_from(keys_of(1)).public_key
HERE = parse_address("/ip4/10.0.0.1/tcp/1")
OBSERVED = parse_address("/ip4/10.0.0.2/tcp/2")


def test_what_is_described_is_read() -> None:
    body = describe(KEY, "agent", [HERE], ["/b", "/a"], OBSERVED, b"record")
    assert read_identity(body) == Identity("agent", frozenset({"/a", "/b"}), (HERE,), b"record")


def test_another_implementation_reads_it() -> None:
    theirs = parse_identify_response(describe(KEY, "agent", [HERE], ["/a"], OBSERVED, b""))
    assert (theirs.agent_version, list(theirs.protocols), theirs.public_key) == ("agent", ["/a"], KEY.serialize())


def test_addresses_are_bounded_and_foreign_transports_left_out() -> None:
    body = describe(KEY, "", [Address("ip4", "10.0.0.1", n) for n in range(1, 30)], [], OBSERVED, b"")
    assert len(read_identity(body).addresses) == MAX_ADDRESSES
    foreign = b"\x12\x06\x04\x0a\x00\x00\x01\x91"
    assert read_identity(frame(foreign)).addresses == ()


def test_a_peer_is_remembered_by_few_of_its_protocols() -> None:
    body = describe(KEY, "", [], [f"/{n:05}" for n in range(7_000)], OBSERVED, b"")
    assert read_identity(body).protocols == {f"/{n:05}" for n in range(MAX_PROTOCOLS)}


def test_an_agent_writes_nothing_but_letters_to_a_terminal() -> None:
    body = describe(KEY, "go\x1b[2J\nlibp2p" + "x" * 99, [], [], OBSERVED, b"")
    assert read_identity(body).agent == "go[2Jlibp2p" + "x" * 51


def test_a_record_that_is_too_long_is_none() -> None:
    assert read_identity(describe(KEY, "", [], [], OBSERVED, bytes(MAX_RECORD_BYTES + 1))).record == b""
    assert read_identity(describe(KEY, "", [], [], OBSERVED, bytes(MAX_RECORD_BYTES))).record == bytes(MAX_RECORD_BYTES)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_give_an_identity_or_a_peers_error(data: bytes, framed: bool) -> None:
    try:
        assert isinstance(read_identity(frame(data) if framed else data), Identity)
    except PeerError:
        pass


def test_a_peer_is_asked_over_a_stream() -> None:
    async def handle(connection: Connection, protocol: str, stream: Stream) -> None:
        await answer_identify(stream, KEY, "agent", [HERE], [IDENTIFY], OBSERVED, b"record")

    async def main() -> None:
        async with hosts({IDENTIFY: handle}, {}) as (a, b):
            identity = await ask_identity(await connect(b, a))
            assert identity == Identity("agent", frozenset({IDENTIFY}), (HERE,), b"record")

    trio.run(main)


@pytest.mark.parametrize("answer", [b"", b"\x05ab", b"\xff" * 100_000])
def test_a_peer_that_answers_nonsense_is_a_peers_error(answer: bytes) -> None:
    async def handle(connection: Connection, protocol: str, stream: Stream) -> None:
        await stream.write(answer)
        await stream.close_write()
        await stream.read()

    async def main() -> None:
        async with hosts({IDENTIFY: handle}, {}) as (a, b):
            with pytest.raises(PeerError):
                await ask_identity(await connect(b, a))

    trio.run(main)
