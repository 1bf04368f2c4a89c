"""Which of those that waited for a common time go first (SPEC 4.22). It never changes the order within a topic."""

from collections.abc import Sequence
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Notification

from .events import Due

FIRST_PRIORITY: Final = 4


def urgent_first(entries: Sequence[Due]) -> list[Due]:
    """Those of priority 4 and above, each behind all of its topic that stood before it; then the others."""
    topics: set[Topic | None] = set()
    first: list[Due] = []
    rest: list[Due] = []
    for entry in reversed(entries):
        found = entry[2]
        body = None if found is None else found[0].envelopes[found[1]].body
        if isinstance(body, Notification) and body.priority >= FIRST_PRIORITY:
            topics.add(body.topic)
        (first if body is not None and body.topic in topics else rest).append(entry)
    return [*reversed(first), *reversed(rest)]
