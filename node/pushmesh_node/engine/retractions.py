"""Which notifications were taken back, cancelled or replaced (SPEC 4.17)."""

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Retraction
from pushmesh_protocol.types import EnvelopeId

from .expiries import Expiries


class Retractions:
    """The live retractions by target; a target may be unknown here or come later."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._by_target: dict[bytes, dict[EnvelopeId, Envelope]] = {}
        self._target_of: dict[EnvelopeId, bytes] = {}
        self._numbers: dict[EnvelopeId, int] = {}
        self._expiries = Expiries()

    def __len__(self) -> int:
        """Retractions that are held."""
        return len(self._target_of)

    def add(self, envelope: Envelope, commit_no: int) -> None:
        """Take in an authorised retraction whose slot is not void, stored under this number; twice changes nothing."""
        assert isinstance(envelope.body, Retraction)  # the kind says so
        if envelope.id not in self._target_of:
            self._by_target.setdefault(envelope.body.target, {})[envelope.id] = envelope
            self._target_of[envelope.id] = envelope.body.target
            self._numbers[envelope.id] = commit_no
            self._expiries.add(envelope.body.expires_at, envelope.id)

    def withdraw(self, envelope_id: EnvelopeId) -> bool:
        """Unlearn a retraction, void or expired; False where it was not held."""
        target = self._target_of.pop(envelope_id, None)
        if target is None:
            return False
        del self._numbers[envelope_id]
        envelopes = self._by_target[target]
        del envelopes[envelope_id]
        if not envelopes:
            del self._by_target[target]
        return True

    def of(self, target: Envelope) -> Envelope | None:
        """The first retraction of a notification that counts, or None. One that expires before its target has no
        effect, nor one whose signer may not sign it by what is known now, so that the order in which a retraction and
        the end of its key became known decides nothing (SPEC 4.11)."""
        held = self._by_target.get(target.id)
        if held is None:
            return None
        counting = [envelope for envelope in held.values() if _counts(envelope, target) and self._may_sign(envelope)]
        return min(counting, key=lambda envelope: envelope.order, default=None)

    def numbers_of(self, target: EnvelopeId) -> list[int]:
        """Under which numbers the retractions of an envelope are stored."""
        return sorted([self._numbers[held] for held in self._by_target.get(target, ())])

    def _may_sign(self, envelope: Envelope) -> bool:
        try:
            self._authority.check(envelope)
        except Refusal:
            return False
        return True

    def is_revoked(self, envelope: Envelope) -> bool:
        """Whether its signer may not sign it any more by what is known now (SPEC 4.11)."""
        return envelope.session is not None and not self._may_sign(envelope)

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired; costs what it removes."""
        for envelope_id in self._expiries.due(now_ms):
            self.withdraw(envelope_id)


def _counts(retraction: Envelope, target: Envelope) -> bool:
    body = retraction.body
    same = retraction.author == target.author and body.topic == target.body.topic
    return same and body.expires_at >= target.body.expires_at
