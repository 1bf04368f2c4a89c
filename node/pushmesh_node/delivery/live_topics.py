"""Which topics a live stream gives, chosen when it begins and changed while it lasts. One bad topic spoils no other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from ..http_kit import MAX_TOPICS, topic, topics
from .cursor import BEGINNING, NOW, commit_no_of
from .session import Session


@dataclass(frozen=True, slots=True)
class Readable:
    """Of the topics that were named those that the principal may read, and for each other one why not.

    None is all, where none was named."""

    topics: frozenset[Topic] | None
    errors: tuple[tuple[str, Denied], ...] = ()

    def complaints(self) -> list[dict[str, Any]]:
        """`{"topic", "reason", "rule", "detail"}` for each that is wrong."""
        return [{"topic": text, **denied.as_json()} for text, denied in self.errors]


def chosen(request: web.Request, principal: Principal) -> Readable:
    """What a request names in `?topics=`. Raises Denied `bad-request` for too many."""
    return readable(principal, topics(request))


def readable(principal: Principal, texts: Sequence[str] | None) -> Readable:
    """Sorts the named topics out. Raises Denied `bad-request` for too many."""
    if texts is None:
        return Readable(None)
    if len(texts) > MAX_TOPICS:
        raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
    found: set[Topic] = set()
    errors: list[tuple[str, Denied]] = []
    for text in texts:
        try:
            named = topic(text)
            if principal.topics is not None and named not in principal.topics:
                raise Denied(Reason.FORBIDDEN, "the token does not cover this topic", "11.3")
            found.add(named)
        except Denied as denied:
            errors.append((text, denied))
    return Readable(frozenset(found), tuple(errors))


@dataclass(slots=True)
class LiveTopics:
    """The choice of one stream: a list, or (None) all but those `without`."""

    session: Session
    chosen: frozenset[Topic] | None
    without: frozenset[Topic] = field(default_factory=frozenset)

    def change(self, add: Sequence[str], remove: Sequence[str], since: str | None, incarnation: bytes) -> Readable:
        """Take topics in and out; with `since`, a cursor, what was added is given from there on, and all else goes on
        after it. What could not be taken is told. Raises Denied for a bad cursor or too many topics."""
        principal = self.session.principal
        added, removed = readable(principal, add), readable(principal, remove)
        plus, minus = added.topics or frozenset(), removed.topics or frozenset()
        after = None if since is None or since == NOW else 0 if since == BEGINNING else commit_no_of(since, incarnation)
        if self.chosen is None:
            wanted, without = None, (self.without | minus) - plus
        else:
            wanted, without = (self.chosen | plus) - minus, self.without
        if len(without if wanted is None else wanted) > MAX_TOPICS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
        self.session.choose(wanted, without=without, since=after)
        self.chosen, self.without = wanted, without
        return Readable(plus | minus, added.errors + removed.errors)

    def as_json(self) -> dict[str, Any]:
        """`{"topics"}`, null for all, and then `without` which."""
        if self.chosen is None:
            return {"topics": None, "without": sorted(map(display_topic, self.without))}
        return {"topics": sorted(map(display_topic, self.chosen))}
