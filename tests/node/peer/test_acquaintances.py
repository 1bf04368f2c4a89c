from collections.abc import Sequence
from random import Random
from typing import cast

from pushmesh_node.gossip.events import Scored
from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.protobuf import bytes_field, encode_varint, number_field
from pushmesh_node.ipc import MAX_BOOK_ADDRESSES, MAX_BOOK_ENTRIES, BookEntry, Peer
from pushmesh_node.ipc_wire import encode, up_decoder
from pushmesh_node.peer.acquaintances import FAULTS, LASTED_MS, Acquaintances, jitter
from pushmesh_node.peer.bans import BAN_MS, PEER_FAULTS, Bans
from pushmesh_node.peer.book import PeerBook
from pushmesh_node.peer.connection import Connection, Identity
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys
from pushmesh_node.peer.records import seal_record
from pushmesh_node.peer.stats import Counters
from pushmesh_protocol.auth.ed25519 import sign
from support.trio_hosts import keys_of

SEED = keys_of(1)
NODE = node_id_of_keys(key_pair_from(SEED))
WALL_MS = 1_700_000_000_000


class End:
    """The part of a connection that is looked at."""

    def __init__(
        self, node_id: bytes = NODE, host: str = "9.9.9.9", reason: str = "lost", dialled: Address | None = None
    ) -> None:
        self.node_id = node_id
        self.remote = (host, 1)
        self.reason = reason
        self.opened_ms = 0
        self.dialled = dialled
        self.closed: list[str] = []

    def close(self, reason: str) -> None:
        self.closed.append(reason)


def an_end(
    node_id: bytes = NODE, host: str = "9.9.9.9", reason: str = "lost", dialled: Address | None = None
) -> Connection:
    return cast(Connection, End(node_id, host, reason, dialled))


class Life:
    """One process's acquaintances, and its clock, which begins anew while the world's goes on."""

    def __init__(self, wall_ms: int = WALL_MS) -> None:
        self.now_ms = 0
        self.began_ms = wall_ms
        self.router = Router(RouterParameters(), Random(1))
        self.counters = Counters()
        self.known = Acquaintances(
            PeerBook(100, 1_000, Random(1)),
            Bans(lambda host: False),
            self.router,
            self._hear,
            self.counters,
            lambda: self.now_ms,
            lambda: self.began_ms + self.now_ms,
        )

    def _hear(self, addresses: Sequence[Address]) -> None:
        raise AssertionError("nobody is introduced here")

    def due(self, target: int = 9) -> list[Address]:
        return self.known.book.due(self.now_ms + 10_000, set(), set(), target)


def address(n: int = 1, host: str = "9.9.9.9", node_id: bytes = NODE) -> Address:
    return Address("ip4", host, n, node_id)


def test_where_a_peer_was_reached_is_known_and_proven() -> None:
    life = Life()
    life.known.book.add(address())
    life.due()
    life.known.book.succeeded(address())
    life.known.came(an_end(dialled=address()))
    assert life.known.tell([]).entries == [BookEntry(NODE, [str(address())], WALL_MS, 0, True, 0, 0)]


def test_a_peer_is_believed_without_a_signature_only_where_it_spoke_from() -> None:
    life = Life()
    unsigned = (address(1), address(2, host="8.8.8.8"), address(3, host="127.0.0.1"))
    assert life.known.learn(an_end(), Identity("agent", frozenset(), unsigned)) == b""
    assert life.known.book.addresses(NODE) == [address(1)]


def test_a_signed_record_tells_public_addresses_and_may_be_handed_on() -> None:
    life = Life()
    record = seal_record(SEED, 7, [address(2, host="8.8.8.8"), address(3, host="10.0.0.1")])
    assert life.known.learn(an_end(), Identity("agent", frozenset(), (address(1),), record)) == record
    assert life.known.book.addresses(NODE) == [address(1), address(2, host="8.8.8.8")]


def test_a_record_that_does_not_hold_is_not_handed_on() -> None:
    life = Life()
    other = seal_record(keys_of(2), 7, [])
    assert life.known.learn(an_end(), Identity("", frozenset(), (), other)) == b""
    assert life.known.learn(an_end(), Identity("", frozenset(), (), b"\xff")) == b""
    newer, older = seal_record(SEED, 7, []), seal_record(SEED, 6, [])
    assert life.known.learn(an_end(), Identity("", frozenset(), (), newer)) == newer
    assert life.known.learn(an_end(), Identity("", frozenset(), (), older)) == b""


def test_a_peer_whose_score_ended_its_connection_is_banned_at_once() -> None:
    life = Life()
    life.known.went(an_end(reason="graylisted"))
    assert life.known.bans.peers.is_banned(NODE, BAN_MS - 1) and not life.known.bans.peers.is_banned(NODE, BAN_MS)
    assert life.known.has_news and ("peers_banned", "", 1) in life.counters.drain([]).counters


def test_a_peer_that_breaks_the_protocol_again_and_again_is_banned() -> None:
    for reason in FAULTS:
        life = Life()
        for _ in range(PEER_FAULTS - 1):
            life.known.went(an_end(reason=reason))
        assert not life.known.has_news
        life.known.went(an_end(reason=reason))
        assert life.known.has_news and life.known.bans.peers.is_banned(NODE, 0)


def test_one_offence_too_many_on_streams_ends_the_connection() -> None:
    life, end = Life(), End()
    for _ in range(PEER_FAULTS):
        assert end.closed == []
        life.known.offended(cast(Connection, end))
    assert end.closed == ["banned"] and life.known.bans.peers.is_banned(NODE, 0) and life.known.has_news


def test_a_lost_connection_is_nobodys_fault() -> None:
    life = Life()
    for _ in range(99):
        life.known.went(an_end(reason="lost"))
        life.known.went(an_end(reason="ping"))
    assert not life.known.bans.peers.banned(0) and not life.known.bans.refuses("9.9.9.9", 0)


def test_a_connection_that_lasted_makes_the_next_dial_a_quick_one() -> None:
    life = Life()
    life.known.book.add(address())
    for _ in range(9):
        life.known.went(an_end())
    assert life.known.book.due(499, set(), set(), 9) == []
    life.now_ms = LASTED_MS
    life.known.went(an_end())
    assert life.known.book.due(LASTED_MS + 100, set(), set(), 9) == [address()]


def test_the_operators_ban_holds_and_can_be_lifted() -> None:
    life = Life()
    life.known.ban(NODE, 60)
    assert life.known.bans.peers.is_banned(NODE, 59_999)
    life.known.ban(NODE, 0)
    assert not life.known.bans.peers.is_banned(NODE, 0)
    assert life.known.tell([]).entries == [BookEntry(NODE, [], 0, 0, False, WALL_MS, 1)]


def test_the_next_life_knows_addresses_standing_and_bans() -> None:
    first = Life()
    first.known.book.add(address())
    first.due()
    first.known.book.succeeded(address())
    first.known.came(an_end(dialled=address()))
    first.router.handle(Scored(NODE, -20_000_000), 0)
    first.known.went(an_end(reason="graylisted"))
    other = b"o" * 32
    first.known.ban(other, 3_600)
    told = first.known.tell([])
    second = Life(WALL_MS + BAN_MS // 2)
    second.known.remember(told.entries)
    assert second.known.bans.peers.is_banned(NODE, BAN_MS // 2 - 1)
    assert not second.known.bans.peers.is_banned(NODE, BAN_MS // 2)
    assert second.known.bans.peers.is_banned(other, 3_000_000)
    assert second.router.score_of(NODE) < -10_000
    assert second.due() == [address()]
    assert {entry.node_id for entry in second.known.tell([]).entries} == {NODE, other}


def test_what_an_earlier_life_could_dial_and_this_one_cannot_is_left_out() -> None:
    life = Life()
    life.known.remember(
        [BookEntry(NODE, ["/ip4/9.9.9.9/udp/1", str(address()), "/ip4/9.9.9.9/tcp/1"], 1, 0, True, 0, 0)]
    )
    assert life.known.book.addresses(NODE) == [address()]


def test_what_is_told_is_bounded() -> None:
    life = Life()
    for n in range(2_000):
        node_id = n.to_bytes(32, "big")
        for port in range(1, 9):
            life.known.book.add(address(port, node_id=node_id))
        life.known.came(an_end(node_id))
        life.known.ban((n + 5_000).to_bytes(32, "big"), 60)
    told = life.known.tell([])
    assert len(told.entries) <= MAX_BOOK_ENTRIES and all(len(e.addresses) <= MAX_BOOK_ADDRESSES for e in told.entries)
    assert not life.known.has_news


def test_the_scores_of_the_connected_are_told() -> None:
    life = Life()
    life.known.book.add(address())
    life.router.handle(Scored(NODE, -1_500), 0)
    assert life.known.tell([NODE]).entries == [BookEntry(NODE, [str(address())], WALL_MS, -1_500, False, 0, 0)]


def test_jitter_is_a_fraction() -> None:
    assert all(0 <= jitter() < 1 for _ in range(100))


def test_main_can_read_whatever_a_peer_says_of_where_it_is() -> None:
    life = Life()
    for name in ("a" + "\u00ad" * 900 + ".example", "b" * 63 + ".example", "c.example\n", "d" * 900):
        host = name.encode()
        wire = b"\x36" + encode_varint(len(host)) + host + b"\x06\x00\x01"  # /dns4/HOST/tcp/1
        payload = bytes_field(1, to_peer_id(NODE)) + bytes_field(3, bytes_field(1, wire))
        life.known.learn(an_end(), Identity("agent", frozenset(), (), sealed(payload)))
    addresses = [str(each) for each in life.known.book.addresses(NODE)]
    told = encode([Peer(NODE, addresses, True), life.known.tell([NODE])])
    assert len(up_decoder().feed(told)) == 2
    assert any("b.example" in text for text in addresses)


def sealed(payload: bytes) -> bytes:
    """A peer record of whatever content, signed as the peer would."""
    kind = b"\x03\x01"
    signed = b"".join(encode_varint(len(part)) + part for part in (b"libp2p-peer-record", kind, payload))
    key = number_field(1, 1) + bytes_field(2, NODE)
    return bytes_field(1, key) + bytes_field(2, kind) + bytes_field(3, payload) + bytes_field(5, sign(SEED, signed))
