"""Which notifications were taken back, cancelled or replaced (SPEC 4.17)."""

from bisect import bisect_left, insort
from typing import NamedTuple

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Retraction
from pushmesh_protocol.types import EnvelopeId

from .expiries import Expiries

Target = tuple[bytes, Topic | None]
"""An id and its topic, whose owner alone takes it back (SPEC 4.6): what others say of the id costs nobody anything."""


class _Held(NamedTuple):
    order: tuple[int, int, bytes]
    envelope: Envelope
    commit_no: int


class Retractions:
    """The live retractions by target; a target may be unknown here or come later."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._by_target: dict[Target, list[_Held]] = {}
        self._held: dict[EnvelopeId, tuple[Target, _Held]] = {}
        self._expiries = Expiries()

    def __len__(self) -> int:
        """Retractions that are held."""
        return len(self._held)

    def add(self, envelope: Envelope, commit_no: int) -> None:
        """Take in an authorised retraction whose slot is not void, stored under this number; twice changes nothing."""
        assert isinstance(envelope.body, Retraction)  # the kind says so
        if envelope.id not in self._held:
            target, held = (envelope.body.target, envelope.topic), _Held(envelope.order, envelope, commit_no)
            insort(self._by_target.setdefault(target, []), held, key=_order_of)
            self._held[envelope.id] = (target, held)
            self._expiries.add(envelope.body.expires_at, envelope.id)

    def withdraw(self, envelope_id: EnvelopeId) -> bool:
        """Unlearn a retraction, void or expired; False where it was not held."""
        found = self._held.pop(envelope_id, None)
        if found is None:
            return False
        target, held = found
        of_target = self._by_target[target]
        del of_target[bisect_left(of_target, held.order, key=_order_of)]
        if not of_target:
            del self._by_target[target]
        return True

    def of(self, target: Envelope) -> Envelope | None:
        """The first retraction of a notification that counts, or None. One that expires before its target has no
        effect, nor one whose signer may not sign it by what is known now, so that the order in which a retraction and
        the end of its key became known decides nothing (SPEC 4.11)."""
        for held in self._by_target.get((target.id, target.topic), ()):
            if held.envelope.body.expires_at >= target.body.expires_at and self._may_sign(held.envelope):
                return held.envelope
        return None

    def numbers_of(self, target: Envelope) -> list[int]:
        """Under which numbers the retractions of an envelope are stored."""
        return sorted([held.commit_no for held in self._by_target.get((target.id, target.topic), ())])

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


def _order_of(held: _Held) -> tuple[int, int, bytes]:
    return held.order
