"""Small numbers for topics, so that an item does not repeat an owner and a name. Runs on the writer's thread."""

import sqlite3
from collections.abc import Iterable, Mapping

from pushmesh_protocol.accounts import Topic

from . import bulk

MAX_CACHED = 65_536
"""Topics in memory, some 20 MB; above it the cache starts anew."""


class TopicNumbers:
    """The numbers of topics that were written lately. One made in a transaction counts after keep_new()."""

    def __init__(self) -> None:
        self._known: dict[Topic, int] = {}
        self._new: dict[Topic, int] = {}

    def numbers(self, connection: sqlite3.Connection, topics: Iterable[Topic]) -> Mapping[Topic, int]:
        """A number for each topic; makes those that are missing, inside the open transaction."""
        wanted = set(topics)
        missing = [topic for topic in wanted if topic not in self._known]
        if missing:
            rows = [(topic.owner, topic.name) for topic in missing]
            bulk.insert(connection, "INSERT OR IGNORE INTO topics (owner, name)", rows)
            find = "SELECT topic_no FROM topics WHERE owner = ? AND name = ?"
            self._new = {topic: connection.execute(find, (topic.owner, topic.name)).fetchone()[0] for topic in missing}
        return {topic: self._known.get(topic) or self._new[topic] for topic in wanted}

    def known(self) -> Mapping[Topic, int]:
        """The numbers of committed topics that are at hand."""
        return self._known

    def keep_new(self) -> None:
        """The transaction is committed."""
        if self._new:
            if len(self._known) + len(self._new) > MAX_CACHED:
                self._known.clear()
            self._known.update(self._new)
            self._new = {}

    def forget_new(self) -> None:
        """The transaction was rolled back, and with it the rows of the new numbers."""
        self._new = {}
