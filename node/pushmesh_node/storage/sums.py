"""A checksum in each row that hands data out, so that a bit that flips on the disk is noticed and never passed on.

CRC-32 over the row's canonical MessagePack: it finds every change of up to 32 neighbouring bits and misses one in four
thousand million others, for 0.3 µs a row. It guards against decay alone; what is signed is guarded by its signature.
What can be made again from items (`ids`, `targets`) has none and is compared with them instead (`derived`).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import msgspec

_encode = msgspec.msgpack.encode

Row = tuple[Any, ...]


class Damaged(Exception):
    """A row's checksum does not fit. Whoever asked has it moved aside and asks again."""

    def __init__(self, table: "Table", row: Row) -> None:
        super().__init__(f"a row of {table.name} is damaged")
        self.table = table
        self.row = row


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows carry a sum over `columns`, in this order."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The columns and the sum, with commas."""
        return f"{', '.join(self.columns)}, sum"

    @property
    def select(self) -> str:
        """The head of a statement that reads whole rows."""
        return f"SELECT {self.listed} FROM {self.name}"

    @property
    def insert(self) -> str:
        """The head of one that writes whole rows."""
        return f"INSERT INTO {self.name} ({self.listed})"

    @property
    def replace(self) -> str:
        """The same where the last write wins."""
        return f"INSERT OR REPLACE INTO {self.name} ({self.listed})"


META = Table("meta", ("name", "value"), ("name",))
ITEMS = Table(
    "items",
    (
        *("first_commit", "count", "kind", "topic_no", "broadcast", "issued_at", "expires_at", "origin"),
        *("shard", "size", "data"),
    ),
    ("first_commit",),
)
RUNS = Table("runs", ("first_commit", "ids", "mask", "ends"), ("first_commit",))
TOPICS = Table("topics", ("topic_no", "owner", "name", "ends_at"), ("topic_no",))
SLOTS = Table(
    "slots",
    ("epoch", "author", "wide", "first_seq", "first_commit", "end_seq", "id"),
    ("epoch", "author", "wide", "first_seq", "first_commit"),
)
VOIDS = Table("voids", ("commit_no",), ("commit_no",))
LATE = Table("late", ("commit_no",), ("commit_no",))
COLLAPSING = Table("collapsing", ("commit_no",), ("commit_no",))
SCHEDULED = Table("scheduled", ("due_at", "commit_no"), ("due_at", "commit_no"))
VOUCHERS = Table(
    "vouchers",
    ("epoch", "account", "key", "stream", "sequence", "count", "units", "data", "equivocation"),
    ("epoch", "account", "key", "stream"),
)
DECISIONS = Table(
    "decisions",
    ("account", "commit_no", "verdict", "reason", "rule", "decided_at", "policy_hash", "preferences_hash"),
    ("account", "commit_no"),
)
PRIVATE = Table("private", ("account", "kind", "issued_at", "expires_at", "data"), ("account", "kind"))
PRIVATE_TOPICS = Table("private_topics", ("account", "topic", "issued_at", "expires_at", "data"), ("account", "topic"))
TOKENS = Table(
    "tokens",
    ("digest", "account", "grant_id", "scopes", "topics", "expires_at", "first_seen", "revoked"),
    ("digest",),
)
GUESTS = Table("guests", ("bridge", "account", "grant_id", "token", "expires_at"), ("bridge", "account"))
CURSORS = Table("cursors", ("account", "device", "commit_no", "at"), ("account", "device"))
READS = Table("reads", ("account", "restriction", "commit_no", "marks", "at"), ("account", "restriction"))
PEERS = Table(
    "peers",
    ("node_id", "addresses", "last_seen", "score_milli", "proven", "banned_until", "bans"),
    ("node_id",),
)
UNSENT = Table("unsent", ("commit_no",), ("commit_no",))
RECEIPTS = Table("receipts", ("number", "first_commit", "last_commit", "ends_at", "kept_until", "data"), ("number",))
LATE_RECEIPTS = Table("late_receipts", ("commit_no", "number"), ("commit_no",))
HANDED = Table(
    "handed",
    ("id", "account", "issued_at", "origin", "level", "named", "at", "ends_at", "told", "evidence"),
    ("id", "account"),
)
REACHED = Table(
    "reached",
    ("commit_no", "account", "node_id", "level", "count", "at", "ends_at", "evidence"),
    ("commit_no", "account", "node_id"),
)
FLOORS = Table("floors", ("shard", "floor"), ("shard",))
QUARANTINE = Table("quarantine", ("no", "at", "origin", "reason", "ids", "row"), ("no",))

SUMMED = (
    *(META, QUARANTINE, FLOORS, TOPICS, ITEMS, RUNS, SLOTS, VOIDS, LATE, COLLAPSING, UNSENT, SCHEDULED),
    *(RECEIPTS, LATE_RECEIPTS, HANDED, REACHED, VOUCHERS, DECISIONS, PRIVATE, PRIVATE_TOPICS, TOKENS, CURSORS),
    *(GUESTS, READS, PEERS),
)
"""All but `ids` and `targets`, in the order in which they are checked and saved: what others refer to first."""


def sum_of(values: Sequence[object]) -> int:
    """The checksum of a row's values as SQLite gives them back: numbers, never booleans."""
    return crc32(_encode(values))


def with_sum(row: Row) -> Row:
    """The row and its sum."""
    return (*row, sum_of(row))


def is_intact(row: Row) -> bool:
    """Whether the sum, the last value, fits the others. Values of any type are survived."""
    try:
        return bool(sum_of(row[:-1]) == row[-1])
    except UnicodeEncodeError:  # a text that is no UTF-8 any more
        return False


def checked(table: Table, rows: Iterable[Row]) -> list[Row]:
    """The rows without their sums. Raises Damaged for the first whose sum does not fit."""
    found = []
    for row in rows:
        values = row[:-1]
        try:
            fits = row[-1] == crc32(_encode(values))
        except UnicodeEncodeError:  # a text that is no UTF-8 any more
            fits = False
        if not fits:
            raise Damaged(table, row)
        found.append(values)
    return found


def first(table: Table, rows: Iterable[Row]) -> Row | None:
    """The first row, checked, or None. Raises Damaged."""
    for row in rows:
        return checked(table, (row,))[0]
    return None


def prepare_sums(connection: sqlite3.Connection) -> None:
    """What every connection needs: `row_sum(..)` in SQL, and texts that survive damage (their sums then tell)."""
    connection.create_function("row_sum", -1, lambda *values: sum_of(values), deterministic=True)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


def as_found(row: Row) -> Row:
    """A damaged row's values as they can be written elsewhere: texts that are none any more as their bytes."""
    return tuple([_bytes_of(value) if isinstance(value, str) and not _is_text(value) else value for value in row])


def _is_text(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _bytes_of(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
