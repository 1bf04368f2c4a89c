"""Streams that nothing comes in over, by their names, so that requests beside them can change what they give."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .live_topics import LiveTopics
from .restriction import restriction_of


class Streams:
    """Of one node; a name is known as long as its stream is open."""

    def __init__(self) -> None:
        self._open: dict[str, LiveTopics] = {}

    @contextmanager
    def named(self, topics: LiveTopics) -> Iterator[str]:
        """A name that nobody can guess."""
        name = secrets.token_hex(16)
        self._open[name] = topics
        try:
            yield name
        finally:
            del self._open[name]

    def find(self, name: str, principal: Principal) -> LiveTopics:
        """What a stream of this wallet gives. Raises Denied `not-found`, also for another's or another token's."""
        found = self._open.get(name)
        owner = None if found is None else found.session.principal
        if (
            found is None
            or owner is None
            or owner.account != principal.account
            or restriction_of(owner) != restriction_of(principal)
        ):
            raise Denied(Reason.NOT_FOUND, "no such stream of this wallet is open here")
        return found
