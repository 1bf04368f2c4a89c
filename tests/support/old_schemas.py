"""Files of stores as earlier schemas had them, made by the released steps, with real frames in them."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pushmesh_node.storage.migrations import APPLICATION_ID, MIGRATIONS
from pushmesh_node.storage.sums import prepare_sums, sum_of
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame

INCARNATION = b"\x09" * 16
OLD = range(1, len(MIGRATIONS))
"""All schemas but the newest."""


def make_old_store(
    path: Path, schema: int, envelopes: Sequence[Envelope] = (), ends: Sequence[int] | None = None
) -> sqlite3.Connection:
    """A store of a schema with these envelopes under the numbers from 1 on, each ending when its body says, or from
    schema 8 on, which knows better, at its place in `ends`."""
    connection = sqlite3.connect(path, isolation_level=None)
    prepare_sums(connection)
    connection.create_function("set_of", 3, lambda _kind, _owner, _name: 255)
    connection.create_function("end_of", 5, lambda _first, _count, _kind, expires_at, _data: expires_at)
    for number, statements in enumerate(MIGRATIONS[:schema], 1):
        for statement in statements:
            connection.execute(statement)
        if number == 1:
            connection.execute("INSERT INTO meta VALUES ('incarnation', ?), ('last_commit', 0)", (INCARNATION,))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema}")
    for number, envelope in enumerate(envelopes, 1):
        data = encode_frame([Part((envelope,))])
        end = envelope.body.expires_at if ends is None or schema < 8 else ends[number - 1]
        row = (number, 1, int(envelope.kind), None, 0, envelope.body.issued_at, end, None)
        if schema < 7:
            connection.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, data))
        else:
            counts = (255, len(data))
            values = (*row, *counts, sum_of((*row, *counts, data)), data)
            connection.execute(f"INSERT INTO items VALUES ({', '.join('?' * 12)})", values)
    return connection
