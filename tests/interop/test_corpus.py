"""RPCs that js-libp2p and go-libp2p really sent, and what their own protobuf reads in them, against our codec."""

import json
from collections.abc import Callable

import pytest

from pushmesh_node.gossip.wire.framing import RpcSplitter, frame
from pushmesh_node.gossip.wire.node_ids import from_peer_id
from pushmesh_node.gossip.wire.rpc_wire import decode, encode
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.peer.records import open_record
from support.foreign import ForeignNode, Json
from support.plain_rpc import plain_rpc, rpc_of
from support.tree import ROOT

CORPUS = ROOT / "tests" / "interop" / "corpus"
FILES = sorted(path.name for path in CORPUS.glob("*.json"))
MAX_CORPUS_BYTES = 300_000
PARTS = ("subscriptions", "messages", "ihave", "iwant", "graft", "prune", "idontwant")

each_file = pytest.mark.parametrize("name", FILES)


def entries(name: str) -> list[tuple[bytes, Json]]:
    """The bytes of each RPC, and what its sender's implementation reads in them."""
    rpcs = json.loads((CORPUS / name).read_text())["rpcs"]
    return [(bytes.fromhex(each["hex"]), {part: each["decoded"].get(part, []) for part in PARTS}) for each in rpcs]


def test_the_corpus_holds_both_implementations_in_both_dialects_within_its_bound() -> None:
    assert FILES == ["go-1.1.json", "go-1.2.json", "js-1.1.json", "js-1.2.json"]
    assert sum((CORPUS / name).stat().st_size for name in FILES) <= MAX_CORPUS_BYTES


@each_file
def test_the_corpus_uses_every_part_that_its_dialect_has(name: str) -> None:
    used = {part for _, plain in entries(name) for part in PARTS if plain[part]}
    assert used == set(PARTS) - (set() if "1.2" in name else {"idontwant"})
    prunes = [prune for _, plain in entries(name) for prune in plain["prune"]]
    assert {backoff for _, _, backoff in prunes} == {10, 60}
    assert any(record for _, peers, _ in prunes for _, record in peers)


@each_file
def test_our_decoder_reads_every_recorded_rpc_as_its_sender_does(name: str) -> None:
    for rpc, plain in entries(name):
        assert plain_rpc(decode(rpc)) == plain


@each_file
def test_the_signed_records_of_recommended_peers_are_theirs(name: str) -> None:
    peers = [peer for _, plain in entries(name) for _, peers, _ in plain["prune"] for peer in peers]
    for peer_id, record in peers:
        opened = open_record(bytes.fromhex(record))
        assert opened.node_id == from_peer_id(bytes.fromhex(peer_id))
        assert [address.host for address in opened.addresses] == ["127.0.0.1"]


@each_file
def test_a_stream_of_recorded_rpcs_is_cut_where_they_end(name: str) -> None:
    rpcs = [rpc for rpc, _ in entries(name)]
    stream = b"".join(frame(rpc) for rpc in rpcs)
    for step in (1, 7, 1_000, len(stream)):
        splitter = RpcSplitter()
        found = [body for at in range(0, len(stream), step) for body in splitter.feed(stream[at : at + step])]
        assert found == rpcs


@pytest.mark.parametrize("implementation", ["js", "go"])
async def test_others_read_in_our_bytes_what_we_wrote(foreign: Callable[[str], list[str]], implementation: str) -> None:
    plains = [plain for name in FILES for _, plain in entries(name)]
    ours = [encode(rpc_of(plain)) for plain in plains]
    async with ForeignNode(foreign(implementation), shipped_network("devnet"), topics=[]) as stranger:
        said = await stranger.ask("decode", rpcs=[rpc.hex() for rpc in ours])
    assert said["rpcs"] == plains
