"""What retractions take back, for those that come next: what the store was asked for, and what was decided since.

Whoever hands in a retraction looks its target up; the engine adds what a look-up may have missed."""

from collections import deque
from collections.abc import Iterable, Mapping

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Notification, Retraction
from pushmesh_protocol.types import Account, EnvelopeId

from .recording import audience_of
from .records import Target

GENERATION = 4_096
MOST_LISTED = 131_072
"""Notifications that are forgotten at once, or as many as list so many accounts."""


class Targets:
    """The notifications of the last few thousand, of all that no look-up has seen, and of the look-ups of this turn."""

    def __init__(self) -> None:
        self._found: Mapping[bytes, Target] = {}
        self._new: dict[bytes, Target] = {}
        self._listed = 0  # accounts in the newest
        self._generations = deque([self._new])  # the newest is first
        self._lasts: deque[int] = deque()  # of each but the newest: none in it has a higher commit number

    def begin(self, found: Mapping[bytes, Target]) -> None:
        """A new turn, with what was looked up for it."""
        self._found = found

    def let_go(self, seen_commit: int, last_commit: int) -> None:
        """Forget the oldest where the look-ups from now on saw it, as `RecentSlots.let_go` does."""
        if len(self._new) > GENERATION or self._listed > MOST_LISTED:
            self._new, self._listed = {}, 0
            self._generations.appendleft(self._new)
            self._lasts.appendleft(last_commit)
        while len(self._lasts) > 1 and self._lasts[-1] <= seen_commit:
            self._generations.pop()
            self._lasts.pop()

    def add(self, envelope: Envelope) -> None:
        """Remember a notification that was decided."""
        target = self._new[envelope.id] = target_of(envelope)
        self._listed += len(target.audience or ())

    def forget(self, ids: Iterable[EnvelopeId]) -> None:
        """Unlearn what was not stored after all."""
        for id_ in ids:
            for generation in self._generations:
                generation.pop(id_, None)

    def audience_of(self, envelope: Envelope) -> tuple[Account, ...] | None:
        """Whom inboxes show an envelope to: its list, None for all subscribers. A retraction goes to whom its target is
        for; nobody where that is not known, or it has no effect on it (SPEC 4.17)."""
        body = envelope.body
        if not isinstance(body, Retraction):
            return audience_of(envelope)
        found = self._find(body.target)
        return () if found is None else shown_to(envelope, {body.target: found})

    def audiences_of(self, part: Part) -> tuple[tuple[Account, ...] | None, ...]:
        """The same of each envelope of a part."""
        if part.envelopes[0].kind != Kind.RETRACTION:
            return tuple([audience_of(envelope) for envelope in part.envelopes])
        return tuple([self.audience_of(envelope) for envelope in part.envelopes])

    def _find(self, target: bytes) -> Target | None:
        for generation in self._generations:
            found = generation.get(target)
            if found is not None:
                return found
        return self._found.get(target)


def target_of(envelope: Envelope) -> Target:
    """A notification as its retractions see it."""
    assert isinstance(envelope.body, Notification) and envelope.body.topic is not None  # the caller looked
    return Target(envelope.body.topic, envelope.body.expires_at, audience_of(envelope))


def shown_to(envelope: Envelope, targets: Mapping[bytes, Target]) -> tuple[Account, ...] | None:
    """Whom inboxes show it to, by the targets that are known: see `Targets.audience_of`."""
    body = envelope.body
    if not isinstance(body, Retraction):
        return audience_of(envelope)
    target = targets.get(body.target)
    if target is None or body.topic != target.topic or body.expires_at < target.expires_at:
        return ()  # of one topic is of one author (SPEC 4.6)
    return target.audience
