"""The schema as an append-only list of steps. A step that was released is never edited; a change is a new step."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from pushmesh_protocol.accounts import Topic

from ..engine.records import StoredItem
from .derived import Remake
from .errors import StoreDamaged, StoreError
from .sets import ShardOf, set_of
from .sums import prepare_sums

APPLICATION_ID = 0x70757368
"""`push` in ASCII, in the header of every store."""

PAGE_BYTES = 4096

_SUMMED_7 = {
    "meta": "name, value",
    "topics": "topic_no, owner, name, ends_at",
    "runs": "first_commit, ids, mask, ends",
    "slots": "epoch, author, wide, first_seq, first_commit, end_seq, id",
    "voids": "commit_no",
    "scheduled": "due_at, commit_no",
    "vouchers": "epoch, account, key, stream, sequence, count, units, data, equivocation",
    "decisions": "account, commit_no, verdict, reason, rule, decided_at, policy_hash, preferences_hash",
    "private": "account, kind, issued_at, expires_at, data",
    "tokens": "digest, account, grant_id, scopes, topics, expires_at, first_seen, revoked",
    "cursors": "account, device, commit_no, at",
    "peers": "node_id, addresses, last_seen, score_milli, proven, banned_until, bans",
}
"""Tables that got their sums in step 7, over these columns. One that comes later brings its own."""

_SUMMED_8 = {
    "unsent": "commit_no",
    "floors": "shard, floor",
    "quarantine": "no, at, origin, reason, ids, row",
    "receipts": "number, first_commit, last_commit, ends_at, kept_until, data",
    "late_receipts": "commit_no, number",
    "handed": "id, account, issued_at, origin, level, named, at, ends_at, told, evidence",
    "reached": "commit_no, account, node_id, level, count, at, ends_at, evidence",
}
"""The rest, but `ids` and `targets`."""


def _add_sums(tables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        [
            statement
            for table, columns in tables.items()
            for statement in (
                f"ALTER TABLE {table} ADD COLUMN sum INTEGER NOT NULL DEFAULT 0",
                f"UPDATE {table} SET sum = row_sum({columns})",
            )
        ]
    )


_ITEM_7 = "first_commit, count, kind, topic_no, broadcast, issued_at, {end}, origin, shard, size, data"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
        # One row per record; `broadcast` counts its notifications to all subscribers. `data` is last: overflow pages
        # stay unread.
        """CREATE TABLE items (
            first_commit INTEGER PRIMARY KEY, count INTEGER NOT NULL, kind INTEGER NOT NULL, topic_no INTEGER,
            broadcast INTEGER NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, origin INTEGER,
            data BLOB NOT NULL)""",
        # A scheduled envelope stands twice: as it came, for peers, and (when due) as inboxes show it, with its origin.
        "CREATE INDEX items_by_origin ON items (origin) WHERE origin NOT NULL",
        """CREATE TABLE scheduled (
            due_at INTEGER, commit_no INTEGER, PRIMARY KEY (due_at, commit_no)) WITHOUT ROWID""",
        "CREATE INDEX items_by_topic ON items (topic_no, first_commit) WHERE kind = 5 AND broadcast > 0",
        "CREATE INDEX items_of_state ON items (first_commit) WHERE kind <> 5",
        "CREATE INDEX items_by_end ON items (expires_at)",
        # The ids of a run, 32 bytes a leaf, and its broadcast leaves (a byte each) where some are and some are not.
        "CREATE TABLE runs (first_commit INTEGER PRIMARY KEY, ids BLOB NOT NULL, mask BLOB)",
        # Apart from `items`, because clearing a mark there would rewrite the whole row.
        "CREATE TABLE unsent (first_commit INTEGER PRIMARY KEY)",
        """CREATE TABLE topics (
            topic_no INTEGER PRIMARY KEY, owner BLOB NOT NULL, name TEXT NOT NULL, UNIQUE (owner, name))""",
        # wide: 0 one slot, 1 more than one or a run; `id` is NULL for a run.
        """CREATE TABLE slots (
            epoch INTEGER, author BLOB, wide INTEGER, first_seq INTEGER, first_commit INTEGER, end_seq INTEGER NOT NULL,
            id BLOB, PRIMARY KEY (epoch, author, wide, first_seq, first_commit)) WITHOUT ROWID""",
        # The bucket is the hour of issued-at: new ids meet in few pages, however random they are.
        """CREATE TABLE ids (
            bucket INTEGER, id BLOB, commit_no INTEGER NOT NULL, PRIMARY KEY (bucket, id)) WITHOUT ROWID""",
        "CREATE TABLE targets (account BLOB, commit_no INTEGER, PRIMARY KEY (account, commit_no)) WITHOUT ROWID",
        "CREATE TABLE voids (commit_no INTEGER PRIMARY KEY)",
        """CREATE TABLE vouchers (
            epoch INTEGER, account BLOB, key BLOB, stream BLOB, sequence INTEGER NOT NULL, count INTEGER NOT NULL,
            units INTEGER NOT NULL, data BLOB NOT NULL, equivocation BLOB,
            PRIMARY KEY (epoch, account, key, stream)) WITHOUT ROWID""",
        """CREATE TABLE decisions (
            account BLOB, commit_no INTEGER, verdict TEXT NOT NULL, reason TEXT NOT NULL, rule TEXT NOT NULL,
            decided_at INTEGER NOT NULL, policy_hash BLOB NOT NULL, preferences_hash BLOB NOT NULL,
            PRIMARY KEY (account, commit_no)) WITHOUT ROWID""",
        """CREATE TABLE private (
            account BLOB, kind INTEGER, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (account, kind)) WITHOUT ROWID""",
        """CREATE TABLE tokens (
            digest BLOB PRIMARY KEY, account BLOB NOT NULL, grant_id BLOB NOT NULL, expires_at INTEGER NOT NULL,
            first_seen INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE cursors (
            account BLOB, device TEXT, commit_no INTEGER NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (account, device)) WITHOUT ROWID""",
        """CREATE TABLE peer_cursors (
            node_id BLOB PRIMARY KEY, incarnation BLOB NOT NULL, commit_no INTEGER NOT NULL) WITHOUT ROWID""",
    ),
    (
        # Tokens tell what they open. None could be revoked before, so each comes back when it is shown again.
        "DROP TABLE tokens",
        """CREATE TABLE tokens (
            digest BLOB PRIMARY KEY, account BLOB NOT NULL, grant_id BLOB NOT NULL, scopes BLOB NOT NULL, topics BLOB,
            expires_at INTEGER NOT NULL, first_seen INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX tokens_by_end ON tokens (expires_at)",
        "CREATE INDEX private_by_end ON private (expires_at)",
    ),
    (
        # No item of a topic expires later, so that topics can go; those that stand may have any item.
        "ALTER TABLE topics ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0",
        "UPDATE topics SET ends_at = (SELECT coalesce(max(expires_at), 0) FROM items)",
        "ALTER TABLE peer_cursors ADD COLUMN at INTEGER NOT NULL DEFAULT 0",
        # Of a run that catch-up brought each leaf is sent by itself.
        "ALTER TABLE unsent RENAME COLUMN first_commit TO commit_no",
        """INSERT OR IGNORE INTO unsent WITH RECURSIVE leaf (number, past) AS (
            SELECT i.first_commit, i.first_commit + i.count FROM unsent u JOIN items i ON i.first_commit = u.commit_no
            UNION ALL SELECT number + 1, past FROM leaf WHERE number + 1 < past)
            SELECT number FROM leaf""",
    ),
    (
        # The peer book. `addresses` is a packed list of texts, empty for a peer of which only its bans are known.
        """CREATE TABLE peers (
            node_id BLOB PRIMARY KEY, addresses BLOB NOT NULL, last_seen INTEGER NOT NULL, score_milli INTEGER NOT NULL,
            proven INTEGER NOT NULL, banned_until INTEGER NOT NULL, bans INTEGER NOT NULL) WITHOUT ROWID""",
    ),
    (
        # The chain of receipts: a row a seal. `first_commit` is NULL where all that it covers was committed long
        # before; those stand in `late_receipts`. `data` is the seal, unsigned, with commit numbers and ids.
        """CREATE TABLE receipts (
            number INTEGER PRIMARY KEY, first_commit INTEGER, last_commit INTEGER NOT NULL, ends_at INTEGER NOT NULL,
            kept_until INTEGER NOT NULL, data BLOB NOT NULL)""",
        "CREATE INDEX receipts_by_commit ON receipts (first_commit) WHERE first_commit NOT NULL",
        "CREATE INDEX receipts_by_end ON receipts (ends_at)",
        "CREATE TABLE late_receipts (commit_no INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
        # What became of notifications at wallets of this node, owed to their origin until it was `told`.
        """CREATE TABLE handed (
            id BLOB, account BLOB, issued_at INTEGER NOT NULL, origin BLOB NOT NULL, level INTEGER NOT NULL,
            named INTEGER NOT NULL, at INTEGER NOT NULL, ends_at INTEGER NOT NULL, told INTEGER NOT NULL, evidence BLOB,
            PRIMARY KEY (id, account)) WITHOUT ROWID""",
        "CREATE INDEX handed_untold ON handed (origin, id) WHERE told = 0",
        "CREATE INDEX handed_by_end ON handed (ends_at)",
        # What other nodes told this one. A total has its level, one byte, in place of an account.
        """CREATE TABLE reached (
            commit_no INTEGER, account BLOB, node_id BLOB, level INTEGER NOT NULL, count INTEGER NOT NULL,
            at INTEGER NOT NULL, ends_at INTEGER NOT NULL, evidence BLOB,
            PRIMARY KEY (commit_no, account, node_id)) WITHOUT ROWID""",
        "CREATE INDEX reached_by_end ON reached (ends_at)",
    ),
    (
        # Until when each leaf of a run matters, 8 bytes a leaf in this machine's order; empty where all do as long as
        # the item, NULL in what an earlier version wrote.
        "ALTER TABLE runs ADD COLUMN ends BLOB",
        # Sync compares sets; it asks no peer from a number on.
        "DROP TABLE peer_cursors",
    ),
    (
        # Checksums (`row_sum`, see sums.py), the set that an item is synced in, and what it counts. `set_of` tells the
        # set by kind, owner and name.
        "ALTER TABLE items RENAME TO items_6",
        *[f"DROP INDEX {name}" for name in ("items_by_origin", "items_by_topic", "items_of_state", "items_by_end")],
        """CREATE TABLE items (
            first_commit INTEGER PRIMARY KEY, count INTEGER NOT NULL, kind INTEGER NOT NULL, topic_no INTEGER,
            broadcast INTEGER NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, origin INTEGER,
            shard INTEGER NOT NULL, size INTEGER NOT NULL, sum INTEGER NOT NULL,
            data BLOB NOT NULL)""",
        """INSERT INTO items SELECT first_commit, count, kind, topic_no, broadcast, issued_at, expires_at, origin,
            shard, size, row_sum(first_commit, count, kind, topic_no, broadcast, issued_at, expires_at, origin,
            shard, size, data), data
            FROM (SELECT i.*, set_of(i.kind, t.owner, t.name) shard, length(i.data) size FROM items_6 i
                LEFT JOIN topics t ON t.topic_no = i.topic_no)""",
        "DROP TABLE items_6",
        "CREATE INDEX items_by_origin ON items (origin) WHERE origin NOT NULL",
        # In stretches of 16,384 commit numbers, as `targets` is: what is written now meets in few pages, however many
        # topics and wallets there are; whoever reads goes from stretch to stretch.
        """CREATE INDEX items_by_topic ON items (first_commit >> 14, topic_no, first_commit)
            WHERE kind = 5 AND broadcast > 0""",
        """CREATE TABLE targets_new (stretch INTEGER, account BLOB, commit_no INTEGER,
            PRIMARY KEY (stretch, account, commit_no)) WITHOUT ROWID""",
        "INSERT INTO targets_new SELECT commit_no >> 14, account, commit_no FROM targets",
        "DROP TABLE targets",
        "ALTER TABLE targets_new RENAME TO targets",
        "CREATE INDEX items_of_state ON items (first_commit) WHERE kind <> 5",
        # By set, since each is cut off at its own end; with what is counted, so that counting reads nothing else.
        "CREATE INDEX items_by_end ON items (shard, expires_at, count, size)",
        *_add_sums(_SUMMED_7),
        # What was damaged, as it was read, and the ids that stood in it: peers have them.
        """CREATE TABLE quarantine (
            no INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, ids BLOB NOT NULL,
            row BLOB NOT NULL)""",
        # All that a set held up to here was let go before its time; what ends later is complete.
        "CREATE TABLE floors (shard INTEGER PRIMARY KEY, floor INTEGER NOT NULL)",
    ),
    (
        *_add_sums(_SUMMED_8),
        # Grants were let go at their own end, and matter until the last of what they let sign is over (SPEC 9.2).
        f"""UPDATE items SET expires_at = later.end_at, sum = row_sum({_ITEM_7.format(end="later.end_at")})
            FROM (SELECT first_commit AS number, end_of(first_commit, count, kind, expires_at, data) AS end_at
                FROM items WHERE kind = 2 AND sum = row_sum({_ITEM_7.format(end="expires_at")})) later
            WHERE first_commit = later.number AND expires_at < later.end_at""",
    ),
    (
        # Messages that sync brought after their time, and from here on in `meta` when this node was in sync last.
        "CREATE TABLE late (commit_no INTEGER PRIMARY KEY, sum INTEGER NOT NULL)",
    ),
    (
        # So that of too many devices those that were silent for longest go.
        "CREATE INDEX cursors_by_time ON cursors (at)",
    ),
    (
        # What wallets said of topics to this node alone; `topic` is its packed form.
        """CREATE TABLE private_topics (
            account BLOB, topic BLOB, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, data BLOB NOT NULL,
            sum INTEGER NOT NULL, PRIMARY KEY (account, topic)) WITHOUT ROWID""",
        "CREATE INDEX private_topics_by_end ON private_topics (expires_at)",
    ),
    (
        # What wallets have read; `marks` is a packed list of numbers above `commit_no`.
        """CREATE TABLE reads (
            account BLOB, restriction TEXT, commit_no INTEGER NOT NULL, marks BLOB NOT NULL, at INTEGER NOT NULL,
            sum INTEGER NOT NULL, PRIMARY KEY (account, restriction)) WITHOUT ROWID""",
        "CREATE INDEX reads_by_time ON reads (at)",
    ),
    (
        # Notifications with a collapse key, which memory holds too.
        "CREATE TABLE collapsing (commit_no INTEGER PRIMARY KEY, sum INTEGER NOT NULL)",
        # Retractions are shown as well; `broadcast` counts those of kinds that inboxes show, so it alone says which.
        "DROP INDEX items_by_topic",
        "CREATE INDEX items_by_topic ON items (first_commit >> 14, topic_no, first_commit) WHERE broadcast > 0",
    ),
    (
        # Wallets that asked for a bridge, and what their wishes rest on.
        """CREATE TABLE guests (
            bridge TEXT, account BLOB, grant_id BLOB, token BLOB, expires_at INTEGER NOT NULL, sum INTEGER NOT NULL,
            PRIMARY KEY (bridge, account)) WITHOUT ROWID""",
        "CREATE INDEX guests_by_end ON guests (expires_at)",
    ),
)


def check_header(connection: sqlite3.Connection, path: Path, *, was_ours: bool = False) -> int:
    """The file's schema version, 0 for a new one; nothing is written.

    Raises StoreError for a file that is not a store or that a newer version has written; StoreDamaged for one that
    is no database any more though it `was_ours`.
    """
    try:
        application_id = _pragma(connection, "application_id")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB and was_ours:
            raise StoreDamaged("its first bytes are not those of a database") from error
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise StoreError(f"{path} is not a pushmesh store") from error
        raise
    version = _pragma(connection, "user_version")
    if application_id != APPLICATION_ID:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables or version or application_id:
            raise StoreError(f"{path} is not a pushmesh store")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer pushmesh (schema {version}, this one knows {len(MIGRATIONS)}): upgrade"
        )
    return version


def migrate(
    connection: sqlite3.Connection,
    version: int,
    new_incarnation: bytes,
    shard_of: ShardOf,
    remake: Remake | None = None,
) -> None:
    """Bring the file from `version` to the newest schema, a transaction each step; a new one gets the incarnation.

    Without `remake` no frame is read, and each item keeps the end that it has."""

    def end_of(first_commit: int, count: int, kind: int, expires_at: int, data: bytes) -> int:
        record = None if remake is None else remake(StoredItem(first_commit, count, kind, data))
        return expires_at if record is None else record.expires_at

    prepare_sums(connection)
    connection.create_function("end_of", 5, end_of)
    connection.create_function(
        "set_of", 3, lambda kind, owner, name: set_of(kind, None if owner is None else Topic(owner, name), shard_of)
    )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        if number == 1:
            rows = [("incarnation", new_incarnation), ("last_commit", 0)]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)  # their sums come with step 7
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
