"""Small numbers for topics, so that an item does not repeat an owner and a name. Runs on the writer's thread."""

import sqlite3
from collections.abc import Iterable, Mapping

from pushmesh_protocol.accounts import Topic

from .sets import Place, ShardOf, one_shard
from .sums import TOPICS, first, sum_of, with_sum

MAX_CACHED = 65_536
"""Topics in memory, some 20 MB; above it the cache starts anew."""

ENDS_STEP_MS = 32 * 86_400_000
"""A topic's end is rounded up to this, so that its row is seldom written."""

_UNKNOWN = (0, -1, 0)
_FIND = f"{TOPICS.select} WHERE owner = ? AND name = ?"


class TopicNumbers:
    """The numbers of topics that were written lately. One made in a transaction counts after keep_new()."""

    def __init__(self, shard_of: ShardOf = one_shard) -> None:
        self._shard_of = shard_of
        self._known: dict[Topic, tuple[int, int, int]] = {}  # number, end and shard
        self._new: dict[Topic, tuple[int, int, int]] = {}

    def numbers(self, connection: sqlite3.Connection, topics: Iterable[Topic], ends_at: int) -> Mapping[Topic, Place]:
        """A number and the shard for each topic; makes numbers that are missing, inside the open transaction. None of
        the items that get these numbers now may expire after `ends_at`. Raises Damaged."""
        wanted = set(topics)
        missing = [topic for topic in wanted if self._known.get(topic, _UNKNOWN)[1] < ends_at]
        if missing:
            end = topic_end(ends_at)
            self._new = {topic: self._make(connection, topic, end) for topic in missing}
        return {topic: _place(self._new.get(topic) or self._known[topic]) for topic in wanted}

    def at_hand(self, topics: Iterable[Topic], ends_at: int) -> Mapping[Topic, Place] | None:
        """The same without a look at the database; None where a number is missing or does not last until then."""
        known = {topic: self._known.get(topic, _UNKNOWN) for topic in topics}
        if any(end < ends_at for _, end, _ in known.values()):
            return None
        return {topic: _place(each) for topic, each in known.items()}

    def _make(self, connection: sqlite3.Connection, topic: Topic, end: int) -> tuple[int, int, int]:
        """Find the topic's row or make it, and let it last."""
        shard = self._shard_of(topic)
        found = first(TOPICS, connection.execute(_FIND, (topic.owner, topic.name)))
        if found is None:
            (number,) = connection.execute("SELECT coalesce(max(topic_no), 0) + 1 FROM topics").fetchone()
            connection.execute(
                f"{TOPICS.insert} VALUES (?, ?, ?, ?, ?)", with_sum((number, topic.owner, topic.name, end))
            )
            return number, end, shard
        number, owner, name, last = found
        if last < end:
            row = (number, owner, name, end)
            connection.execute("UPDATE topics SET ends_at = ?, sum = ? WHERE topic_no = ?", (end, sum_of(row), number))
        return number, max(last, end), shard

    def keep_new(self) -> None:
        """The transaction is committed."""
        if self._new:
            if len(self._known) + len(self._new) > MAX_CACHED:
                self._known.clear()
            self._known.update(self._new)
            self._new = {}

    def forget(self, topic_nos: Iterable[int]) -> None:
        """Their rows are gone."""
        gone = frozenset(topic_nos)
        if gone:
            self._known = {topic: known for topic, known in self._known.items() if known[0] not in gone}

    def forget_new(self) -> None:
        """The transaction was rolled back, and with it the rows of the new numbers."""
        self._new = {}


def topic_end(expires_at: int) -> int:
    """Until when the row of a topic stays that has an item which expires then."""
    return (expires_at // ENDS_STEP_MS + 1) * ENDS_STEP_MS


def _place(known: tuple[int, int, int]) -> Place:
    return known[0], known[2]
