"""Reads of the small keyed tables: vouchers, decisions, private envelopes, tokens, guests, cursors."""

import sqlite3
import sys
from collections.abc import Sequence

import msgspec

from pushmesh_protocol.accounts import Topic

from ..engine.records import (
    APART,
    CursorRecord,
    DecisionRecord,
    GuestRecord,
    PrivateRecord,
    PrivateTopicRecord,
    ReadRecord,
    TokenRecord,
    VoucherRecord,
)
from .bulk import pieces, placeholders
from .items import COVERING
from .sums import CURSORS, DECISIONS, GUESTS, PRIVATE, PRIVATE_TOPICS, READS, TOKENS, VOUCHERS, Row, checked, first

# Rows of removed items stay until the walk of expiry meets them.
_HELD = f"""commit_no < coalesce((SELECT first_commit + count FROM items
    WHERE first_commit = {COVERING.format(number="decisions.commit_no")}), 0)"""
_decode_numbers = msgspec.msgpack.Decoder(tuple[int, ...]).decode
_decode_topics = msgspec.msgpack.Decoder(tuple[Topic, ...]).decode
_BY_STREAM = " ORDER BY epoch, account, key, stream"


def vouchers(connection: sqlite3.Connection, epoch: int) -> list[VoucherRecord]:
    """All vouchers of an epoch by (account, key, stream), those with an equivocation too."""
    rows = connection.execute(f"{VOUCHERS.select} WHERE epoch = ?{_BY_STREAM}", (epoch,))
    return [VoucherRecord(*row) for row in checked(VOUCHERS, rows)]


def epoch_totals(connection: sqlite3.Connection, epoch: int) -> list[tuple[bytes, int, int]]:
    """(account, count, units) summed over an epoch's streams; one with an equivocation counts nothing (SPEC 10.2)."""
    totals: dict[bytes, tuple[int, int]] = {}
    for voucher in vouchers(connection, epoch):
        if voucher.equivocation is None:
            count, units = totals.get(voucher.account, (0, 0))
            totals[voucher.account] = (count + voucher.count, units + voucher.units)
    return [(account, count, units) for account, (count, units) in sorted(totals.items())]


def decisions(connection: sqlite3.Connection, account: bytes, commit_nos: Sequence[int]) -> list[DecisionRecord]:
    """Those of the wallet's decisions about these messages that exist, as long as the message is held."""
    found = []
    for part in pieces(commit_nos):
        sql = f"{DECISIONS.select} WHERE account = ? AND commit_no IN {placeholders(len(part))} AND {_HELD}"
        found += [DecisionRecord(*row) for row in checked(DECISIONS, connection.execute(sql, (account, *part)))]
    return sorted(found, key=lambda decision: decision.commit_no)


def decision(connection: sqlite3.Connection, account: bytes, commit_no: int) -> DecisionRecord | None:
    """The last decision about a message, under its number or the one under which inboxes show it."""
    shown = "SELECT ?2 UNION ALL SELECT first_commit FROM items WHERE origin = ?2"
    where = f"WHERE account = ?1 AND commit_no IN ({shown}) AND {_HELD} ORDER BY commit_no DESC LIMIT 1"
    row = first(DECISIONS, connection.execute(f"{DECISIONS.select} {where}", (account, commit_no)))
    return None if row is None else DecisionRecord(*row)


def private_records(connection: sqlite3.Connection) -> list[PrivateRecord]:
    """The newest private envelope of every wallet and kind."""
    rows = connection.execute(f"{PRIVATE.select} ORDER BY account, kind")
    return [PrivateRecord(*row) for row in checked(PRIVATE, rows)]


def private_topics(connection: sqlite3.Connection) -> list[PrivateTopicRecord]:
    """The newest private word of every wallet on every topic."""
    rows = connection.execute(f"{PRIVATE_TOPICS.select} ORDER BY account, topic")
    return [PrivateTopicRecord(*row) for row in checked(PRIVATE_TOPICS, rows)]


def tokens(connection: sqlite3.Connection) -> list[TokenRecord]:
    """All tokens that are remembered, by digest."""
    rows = checked(TOKENS, connection.execute(f"{TOKENS.select} ORDER BY digest"))
    return [
        TokenRecord(digest, account, grant_id, tuple(scopes), _topics(topics), expires_at, first_seen, bool(revoked))
        for digest, account, grant_id, scopes, topics, expires_at, first_seen, revoked in rows
    ]


def guests(connection: sqlite3.Connection) -> list[GuestRecord]:
    """All wallets that asked for a bridge, by (bridge, account)."""
    rows = connection.execute(f"{GUESTS.select} ORDER BY bridge, account")
    return [GuestRecord(*row) for row in checked(GUESTS, rows)]


def _topics(data: bytes | None) -> tuple[Topic, ...] | None:
    return None if data is None else _decode_topics(data)


OF_GROUP = "(device >= ?2 AND device < ?3 OR device = ?4)"
"""Devices whose names begin alike, see `group_range`."""


def group_range(prefix: str) -> tuple[str, str, str]:
    """For `OF_GROUP`: names that begin with what stands apart, or ("") all that do not stand apart."""
    if not prefix:
        return chr(ord(APART) + 1), chr(sys.maxunicode), ""
    return prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1), prefix


def prefix_of(device: str) -> str:
    """The beginning that tells whose devices this one stands with, see `APART`."""
    end = device.find(APART, 1) if device.startswith(APART) else -1
    return device[: end + 1]


def cursors(connection: sqlite3.Connection, groups: Sequence[tuple[bytes, str]]) -> list[list[CursorRecord]]:
    """For each (account, prefix) its devices, the one that was heard of last at the end."""
    sql = f"{CURSORS.select} WHERE account = ?1 AND {OF_GROUP} ORDER BY at, device"
    found = []
    for account, prefix in groups:
        rows = checked(CURSORS, connection.execute(sql, (account, *group_range(prefix))))
        found.append([CursorRecord(*row) for row in rows])
    return found


def reads(connection: sqlite3.Connection, wanted: Sequence[tuple[bytes, str]]) -> list[ReadRecord | None]:
    """For each (account, restriction) what it has read."""
    sql = f"{READS.select} WHERE account = ? AND restriction = ?"
    return [_read_record(first(READS, connection.execute(sql, each))) for each in wanted]


def _read_record(row: Row | None) -> ReadRecord | None:
    if row is None:
        return None
    account, restriction, commit_no, marks, at = row
    return ReadRecord(account, restriction, commit_no, _decode_numbers(marks), at)


def wallet_rows(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many devices are remembered, and of how many wallets what they have read; counts through both tables."""
    (cursors,) = connection.execute("SELECT count(*) FROM cursors").fetchone()
    (reads,) = connection.execute("SELECT count(*) FROM reads").fetchone()
    return int(cursors), int(reads)


def wallets(connection: sqlite3.Connection) -> list[tuple[bytes, int]]:
    """(account, when it last acknowledged) of every wallet with a cursor, by account."""
    return list(connection.execute("SELECT account, max(at) FROM cursors GROUP BY account ORDER BY account"))
