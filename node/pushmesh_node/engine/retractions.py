"""Which notifications were taken back, cancelled or replaced (SPEC 4.17)."""

from collections import defaultdict

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Retraction


class Retractions:
    """The live retractions by target; a target may be unknown here or come later."""

    def __init__(self) -> None:
        self._by_target: defaultdict[bytes, list[Envelope]] = defaultdict(list)

    def add(self, envelope: Envelope) -> None:
        """Take in an authorised retraction whose slot is not void."""
        assert isinstance(envelope.body, Retraction)  # the kind says so
        if all(known.id != envelope.id for known in self._by_target[envelope.body.target]):
            self._by_target[envelope.body.target].append(envelope)

    def of(self, target: Envelope) -> Envelope | None:
        """The first retraction of a notification that counts, or None. One that expires before its target has no
        effect."""
        counting = [envelope for envelope in self._by_target.get(target.id, ()) if _counts(envelope, target)]
        return min(counting, key=lambda envelope: envelope.order, default=None)

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired."""
        for target, envelopes in list(self._by_target.items()):
            kept = [envelope for envelope in envelopes if envelope.body.expires_at > now_ms]
            if kept:
                self._by_target[target] = kept
            else:
                del self._by_target[target]


def _counts(retraction: Envelope, target: Envelope) -> bool:
    body = retraction.body
    same = retraction.author == target.author and body.topic == target.body.topic
    return same and body.expires_at >= target.body.expires_at
