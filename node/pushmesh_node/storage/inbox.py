"""Notifications and retractions of topics and of wallets, in commit order, without void ones. It knows not who may
read what."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from pushmesh_protocol.accounts import Topic

from ..engine.records import StoredEnvelope
from .bulk import pieces
from .items import COVERING, envelopes, floor, late_among
from .rows import STRETCH_BITS
from .sums import VOIDS, checked

END = 2**62
"""Above every commit number."""

# Of one stretch. The limit stands inside, topic by topic: a busy topic costs no more than a quiet one.
_BROADCASTS = """WITH t (owner, name) AS (VALUES {topics})
    SELECT i.first_commit, i.count, r.mask
      FROM t CROSS JOIN topics k ON k.owner = t.owner AND k.name = t.name
      CROSS JOIN items i ON i.first_commit IN (
          SELECT first_commit FROM items
           WHERE broadcast > 0 AND first_commit >> 14 = ? AND topic_no = k.topic_no
             AND first_commit > ? AND first_commit < ?
           ORDER BY first_commit LIMIT ?)
      LEFT JOIN runs r ON i.count > 1 AND r.first_commit = i.first_commit
     ORDER BY i.first_commit LIMIT ?"""
_TARGETED = f"""SELECT t.commit_no FROM targets t
      CROSS JOIN items i ON i.first_commit = {COVERING.format(number="t.commit_no")}
     WHERE t.stretch = ? AND t.account = ? AND t.commit_no > ? AND t.commit_no < ?
       AND t.commit_no < i.first_commit + i.count
     ORDER BY t.commit_no LIMIT ?"""

Page = tuple[list[int], int | None]
"""Commit numbers in order, and the position to go on after, None when nothing is left."""


def topic_messages(
    connection: sqlite3.Connection, topics: Sequence[Topic], after: int, before: int | None, limit: int
) -> list[StoredEnvelope]:
    """What is for all subscribers of these topics with after < commit number < before, the oldest first."""
    return envelopes(connection, _broadcasts(connection, topics, after, before, limit))


def targeted_messages(
    connection: sqlite3.Connection, account: bytes, after: int, before: int | None, limit: int
) -> list[StoredEnvelope]:
    """What lists the account with after < commit number < before, the oldest first."""
    return envelopes(connection, _targeted(connection, account, after, before, limit))


def inbox(
    connection: sqlite3.Connection, account: bytes, topics: Sequence[Topic], after: int, limit: int
) -> list[StoredEnvelope]:
    """Both, merged in commit order, at most `limit`; what is late or lists the account says so."""
    listed = set(_targeted(connection, account, after, None, limit))
    numbers = listed.union(_broadcasts(connection, topics, after, None, limit))
    found = envelopes(connection, sorted(numbers)[:limit])
    late = late_among(connection, [envelope.commit_no for envelope in found])
    if not late and not listed:
        return found
    return [replace(each, late=each.commit_no in late, listed=each.commit_no in listed) for each in found]


def void_numbers(connection: sqlite3.Connection, after: int, before: int) -> set[int]:
    """The void commit numbers with after < number < before."""
    sql = f"{VOIDS.select} WHERE commit_no > ? AND commit_no < ?"
    return {number for (number,) in checked(VOIDS, connection.execute(sql, (after, before)))}


def _broadcasts(
    connection: sqlite3.Connection, topics: Sequence[Topic], after: int, before: int | None, limit: int
) -> list[int]:
    end = END if before is None else before
    start = floor(connection, after)
    numbers: set[int] = set()
    for part in pieces(list(dict.fromkeys(topics))):
        page = partial(_broadcast_page, connection, part, after, end, limit)
        numbers.update(_valid(connection, page, start, limit))
    return sorted(numbers)[:limit]


def _broadcast_page(
    connection: sqlite3.Connection, topics: Sequence[Topic], after: int, before: int, limit: int, position: int
) -> Page:
    """Of the next stretch that holds items with a first number above `position`."""
    (first,) = connection.execute("SELECT min(first_commit) FROM items WHERE first_commit > ?", (position,)).fetchone()
    if first is None or first >= before:
        return [], None
    values = [value for topic in topics for value in (topic.owner, topic.name)]
    sql = _BROADCASTS.format(topics=",".join(["(?,?)"] * len(topics)))
    stretch = first >> STRETCH_BITS
    rows = connection.execute(sql, (*values, stretch, position, before, limit, limit)).fetchall()
    last = rows[-1][0] if len(rows) == limit else ((stretch + 1) << STRETCH_BITS) - 1
    return list(_leaves(rows, after, before)), last


def _leaves(rows: list[tuple[int, int, bytes | None]], after: int, before: int) -> Iterator[int]:
    for first_commit, count, mask in rows:
        for number in range(max(first_commit, after + 1), min(first_commit + count, before)):
            if mask is None or mask[number - first_commit]:
                yield number


def _targeted(connection: sqlite3.Connection, account: bytes, after: int, before: int | None, limit: int) -> list[int]:
    page = partial(_targeted_page, connection, account, END if before is None else before, limit)
    return _valid(connection, page, after, limit)


def _targeted_page(connection: sqlite3.Connection, account: bytes, before: int, limit: int, position: int) -> Page:
    """Of the next stretch that lists anybody above `position`."""
    least = (position + 1) >> STRETCH_BITS
    (stretch,) = connection.execute("SELECT min(stretch) FROM targets WHERE stretch >= ?", (least,)).fetchone()
    if stretch is None or stretch << STRETCH_BITS >= before:
        return [], None
    rows = connection.execute(_TARGETED, (stretch, account, position, before, limit))
    numbers = [number for (number,) in rows]
    return numbers, numbers[-1] if len(numbers) == limit else ((stretch + 1) << STRETCH_BITS) - 1


def _valid(connection: sqlite3.Connection, page: Callable[[int], Page], start: int, limit: int) -> list[int]:
    """Read pages until there are `limit` numbers that are not void, or none are left."""
    numbers: list[int] = []
    position: int | None = start if limit > 0 else None
    while position is not None and len(numbers) < limit:
        found, position = page(position)
        found = sorted(set(found))  # a damaged index may say one twice
        void = void_numbers(connection, found[0] - 1, found[-1] + 1) if found else set()
        numbers += [number for number in found if number not in void]
    return numbers[:limit]
