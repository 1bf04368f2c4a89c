"""The peer book's table: small, bounded, and read as a whole."""

import sqlite3
from collections.abc import Iterable

import msgspec

from pushmesh_protocol.codec import pack
from pushmesh_protocol.types import UnixMs

from ..engine.records import PeerEntry
from . import bulk
from .sums import PEERS, checked, with_sum

PEERS_KEPT = 1_024
"""Peers that can be dialled; of more, those that were connected last. Of the others as many, those banned longest."""

_NOWHERE = pack(())
_SELECT = f"{PEERS.select} ORDER BY last_seen DESC, node_id"
_FORGET = """DELETE FROM peers WHERE node_id IN (SELECT node_id FROM peers WHERE addresses {how} ?1
    ORDER BY {by} DESC, node_id LIMIT -1 OFFSET ?2)"""
_FORGET_SEEN = _FORGET.format(how="<>", by="last_seen")
_FORGET_BANNED = _FORGET.format(how="=", by="banned_until")
_decode_addresses = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def write_peers(connection: sqlite3.Connection, peers: Iterable[PeerEntry]) -> None:
    """The last entry of a peer wins; of too many some are forgotten. Part of the caller's transaction."""
    rows = [
        (p.node_id, pack(p.addresses), p.last_seen, p.score_milli, int(p.proven), p.banned_until, p.bans) for p in peers
    ]
    bulk.insert(connection, PEERS.replace, [with_sum(row) for row in rows])
    connection.execute(_FORGET_SEEN, (_NOWHERE, PEERS_KEPT))
    connection.execute(_FORGET_BANNED, (_NOWHERE, PEERS_KEPT))


def read_peers(connection: sqlite3.Connection) -> list[PeerEntry]:
    """All of them, those connected last first."""
    return [
        PeerEntry(
            node_id,
            _decode_addresses(addresses),
            UnixMs(last_seen),
            score_milli,
            bool(proven),
            UnixMs(banned_until),
            bans,
        )
        for node_id, addresses, last_seen, score_milli, proven, banned_until, bans in checked(
            PEERS, connection.execute(_SELECT)
        )
    ]
