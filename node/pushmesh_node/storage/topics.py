"""Small numbers for topics, so that an item does not repeat an owner and a name. Runs on the writer's thread."""

import sqlite3
from collections.abc import Iterable, Mapping

from pushmesh_protocol.accounts import Topic

from . import bulk

MAX_CACHED = 65_536
"""Topics in memory, some 20 MB; above it the cache starts anew."""

ENDS_STEP_MS = 32 * 86_400_000
"""A topic's end is rounded up to this, so that its row is seldom written."""

_UNKNOWN = (0, -1)


class TopicNumbers:
    """The numbers of topics that were written lately. One made in a transaction counts after keep_new()."""

    def __init__(self) -> None:
        self._known: dict[Topic, tuple[int, int]] = {}  # number and end
        self._new: dict[Topic, tuple[int, int]] = {}

    def numbers(self, connection: sqlite3.Connection, topics: Iterable[Topic], ends_at: int) -> Mapping[Topic, int]:
        """A number for each topic; makes those that are missing, inside the open transaction. None of the items that
        get these numbers now may expire after `ends_at`."""
        wanted = set(topics)
        missing = [topic for topic in wanted if self._known.get(topic, _UNKNOWN)[1] < ends_at]
        if missing:
            end = (ends_at // ENDS_STEP_MS + 1) * ENDS_STEP_MS
            rows = [(topic.owner, topic.name, end) for topic in missing]
            bulk.insert(connection, "INSERT OR IGNORE INTO topics (owner, name, ends_at)", rows)
            extend = "UPDATE topics SET ends_at = ?3 WHERE owner = ?1 AND name = ?2 AND ends_at < ?3"
            connection.executemany(extend, rows)
            find = "SELECT topic_no, ends_at FROM topics WHERE owner = ? AND name = ?"
            self._new = {topic: connection.execute(find, (topic.owner, topic.name)).fetchone() for topic in missing}
        return {topic: (self._new.get(topic) or self._known[topic])[0] for topic in wanted}

    def at_hand(self, topics: Iterable[Topic], ends_at: int) -> Mapping[Topic, int] | None:
        """The same without a look at the database; None where a number is missing or does not last until then."""
        known = {topic: self._known.get(topic, _UNKNOWN) for topic in topics}
        if any(end < ends_at for _, end in known.values()):
            return None
        return {topic: number for topic, (number, _) in known.items()}

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
