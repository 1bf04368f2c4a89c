"""Reads of the small keyed tables: vouchers, decisions, private envelopes, tokens, cursors."""

import sqlite3
from collections.abc import Sequence

import msgspec

from pushmesh_protocol.accounts import Topic

from ..engine.records import CursorRecord, DecisionRecord, PrivateRecord, TokenRecord, VoucherRecord
from .bulk import pieces, placeholders
from .items import COVERING

_VOUCHER = "SELECT epoch, account, key, stream, sequence, count, units, data, equivocation FROM vouchers"
_DECISION = """SELECT account, commit_no, verdict, reason, rule, decided_at, policy_hash, preferences_hash
    FROM decisions"""
_PRIVATE = "SELECT account, kind, issued_at, expires_at, data FROM private"
_TOKEN = "SELECT digest, account, grant_id, scopes, topics, expires_at, first_seen, revoked FROM tokens"
# Rows of removed items stay until the walk of expiry meets them.
_HELD = f"""commit_no < coalesce((SELECT first_commit + count FROM items
    WHERE first_commit = {COVERING.format(number="decisions.commit_no")}), 0)"""
# In halves of 32 bits: a sum that leaves 64 bits is an error in SQLite, and what wallets claim is theirs to choose.
_EPOCH_TOTALS = """SELECT account, sum(count >> 32), sum(count & 0xffffffff), sum(units >> 32), sum(units & 0xffffffff)
    FROM vouchers WHERE epoch = ? AND equivocation IS NULL GROUP BY account ORDER BY account"""
_decode_topics = msgspec.msgpack.Decoder(tuple[Topic, ...]).decode
_BY_STREAM = " ORDER BY epoch, account, key, stream"


def vouchers(connection: sqlite3.Connection, epoch: int) -> list[VoucherRecord]:
    """All vouchers of an epoch by (account, key, stream), those with an equivocation too."""
    rows = connection.execute(f"{_VOUCHER} WHERE epoch = ?{_BY_STREAM}", (epoch,))
    return [VoucherRecord(*row) for row in rows]


def epoch_totals(connection: sqlite3.Connection, epoch: int) -> list[tuple[bytes, int, int]]:
    """(account, count, units) summed over an epoch's streams; one with an equivocation counts nothing (SPEC 10.2)."""
    rows = connection.execute(_EPOCH_TOTALS, (epoch,))
    return [(account, (c << 32) + count, (u << 32) + units) for account, c, count, u, units in rows]


def decisions(connection: sqlite3.Connection, account: bytes, commit_nos: Sequence[int]) -> list[DecisionRecord]:
    """Those of the wallet's decisions about these messages that exist, as long as the message is held."""
    found = []
    for part in pieces(commit_nos):
        sql = f"{_DECISION} WHERE account = ? AND commit_no IN {placeholders(len(part))} AND {_HELD}"
        found += [DecisionRecord(*row) for row in connection.execute(sql, (account, *part))]
    return sorted(found, key=lambda decision: decision.commit_no)


def decision(connection: sqlite3.Connection, account: bytes, commit_no: int) -> DecisionRecord | None:
    """The last decision about a message, under its number or the one under which inboxes show it."""
    shown = "SELECT ?2 UNION ALL SELECT first_commit FROM items WHERE origin = ?2"
    sql = f"{_DECISION} WHERE account = ?1 AND commit_no IN ({shown}) AND {_HELD} ORDER BY commit_no DESC LIMIT 1"
    row = connection.execute(sql, (account, commit_no)).fetchone()
    return None if row is None else DecisionRecord(*row)


def private_records(connection: sqlite3.Connection) -> list[PrivateRecord]:
    """The newest private envelope of every wallet and kind."""
    return [PrivateRecord(*row) for row in connection.execute(f"{_PRIVATE} ORDER BY account, kind")]


def tokens(connection: sqlite3.Connection) -> list[TokenRecord]:
    """All tokens that are remembered, by digest."""
    rows = connection.execute(f"{_TOKEN} ORDER BY digest")
    return [
        TokenRecord(digest, account, grant_id, tuple(scopes), _topics(topics), expires_at, first_seen, bool(revoked))
        for digest, account, grant_id, scopes, topics, expires_at, first_seen, revoked in rows
    ]


def _topics(data: bytes | None) -> tuple[Topic, ...] | None:
    return None if data is None else _decode_topics(data)


def cursor(connection: sqlite3.Connection, account: bytes, device: str) -> CursorRecord | None:
    """How far a wallet's device has acknowledged."""
    sql = "SELECT account, device, commit_no, at FROM cursors WHERE account = ? AND device = ?"
    row = connection.execute(sql, (account, device)).fetchone()
    return None if row is None else CursorRecord(*row)


def wallets(connection: sqlite3.Connection) -> list[tuple[bytes, int]]:
    """(account, when it last acknowledged) of every wallet with a cursor, by account."""
    return list(connection.execute("SELECT account, max(at) FROM cursors GROUP BY account ORDER BY account"))


def voids_among(connection: sqlite3.Connection, commit_nos: Sequence[int]) -> set[int]:
    """Those of the commit numbers that are void."""
    found: set[int] = set()
    for part in pieces(commit_nos):
        sql = f"SELECT commit_no FROM voids WHERE commit_no IN {placeholders(len(part))}"
        found.update(number for (number,) in connection.execute(sql, tuple(part)))
    return found
