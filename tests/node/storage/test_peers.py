import sqlite3

from pushmesh_node.engine.records import PeerEntry
from pushmesh_node.storage.peers import PEERS_KEPT, read_peers, write_peers
from pushmesh_protocol.types import UnixMs

HERE = ("/ip4/9.9.9.9/tcp/1/p2p/x",)


def a_peer(n: int, seen: int = 0, addresses: tuple[str, ...] = HERE, banned_until: int = 0) -> PeerEntry:
    return PeerEntry(n.to_bytes(32, "big"), addresses, UnixMs(seen), -5, True, UnixMs(banned_until), 2)


def test_the_last_word_on_a_peer_is_read_and_the_last_seen_come_first(connection: sqlite3.Connection) -> None:
    write_peers(connection, [a_peer(1, 5), a_peer(2, 9), a_peer(3, 7)])
    write_peers(connection, [a_peer(1, 8, ("/a", "/b"))])
    assert read_peers(connection) == [a_peer(2, 9), a_peer(1, 8, ("/a", "/b")), a_peer(3, 7)]


def test_the_table_is_bounded_and_bans_push_out_no_peer_that_can_be_dialled(connection: sqlite3.Connection) -> None:
    write_peers(connection, [a_peer(n, seen=n) for n in range(PEERS_KEPT + 5)])
    write_peers(connection, [a_peer(10_000 + n, addresses=(), banned_until=n) for n in range(PEERS_KEPT + 5)])
    kept = read_peers(connection)
    assert [peer.last_seen for peer in kept if peer.addresses] == list(range(PEERS_KEPT + 4, 4, -1))
    assert sorted(peer.banned_until for peer in kept if not peer.addresses) == list(range(5, PEERS_KEPT + 5))
