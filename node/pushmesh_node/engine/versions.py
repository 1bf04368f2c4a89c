"""State that the newest signed word decides: subscriptions, and topics' own details (SPEC 4.14)."""

from collections import defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Subscription

K = TypeVar("K", bound=Hashable)


def newer(one: Envelope, other: Envelope) -> bool:
    """Whether `one` is chosen over `other`: later issued-at; at a tie off beats on; then the lower id."""
    if one.body.issued_at != other.body.issued_at:
        return one.body.issued_at > other.body.issued_at
    one_off, other_off = _is_off(one), _is_off(other)
    if one_off != other_off:
        return one_off
    return one.id < other.id


def _is_off(envelope: Envelope) -> bool:
    return isinstance(envelope.body, Subscription) and not envelope.body.on


class Versions(Generic[K]):
    """Per key and signing key the newest envelope; in force is the newest among the keys that are not revoked."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._kept: defaultdict[K, dict[bytes, Envelope]] = defaultdict(dict)
        self._in_force: dict[K, Envelope] = {}

    def add(self, key: K, envelope: Envelope) -> Envelope | None:
        """Take an envelope in and return what is in force for the key now. Order of arrival does not matter."""
        session = envelope.session
        signer = session.key if session is not None else b""
        kept = self._kept[key].get(signer)
        if kept is None or newer(envelope, kept):
            self._kept[key][signer] = envelope
        return self.choose(key)

    def choose(self, key: K) -> Envelope | None:
        """Decide again what is in force, after a key was revoked."""
        best: Envelope | None = None
        for envelope in self._kept.get(key, {}).values():
            session = envelope.session
            if session is not None and self._authority.is_revoked(session.grant_id):
                continue
            if best is None or newer(envelope, best):
                best = envelope
        if best is None:
            self._in_force.pop(key, None)
        else:
            self._in_force[key] = best
        return best

    def in_force(self, key: K, now_ms: int) -> Envelope | None:
        """The envelope in force, None where there is none or it has expired."""
        envelope = self._in_force.get(key)
        return envelope if envelope is not None and envelope.body.expires_at > now_ms else None

    def keys(self) -> list[K]:
        """Every key that has anything."""
        return list(self._kept)

    def drop_expired(self, key: K, now_ms: int) -> None:
        """Forget the expired envelopes of a key."""
        kept = self._kept.get(key, {})
        for signer, envelope in list(kept.items()):
            if envelope.body.expires_at <= now_ms:
                del kept[signer]
        if not kept:
            self._kept.pop(key, None)
        self.choose(key)
