"""State that the newest signed word decides: subscriptions, and topics' own details (SPEC 4.14)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Subscription
from pushmesh_protocol.types import Account, EnvelopeId

from .expiries import Expiries

K = TypeVar("K", bound=Hashable)


def newer(one: Envelope, other: Envelope) -> bool:
    """Whether `one` is chosen over `other`: later issued-at; at a tie off beats on; then the lower id."""
    if one.body.issued_at != other.body.issued_at:
        return one.body.issued_at > other.body.issued_at
    one_off, other_off = _is_off(one), _is_off(other)
    if one_off != other_off:
        return one_off
    return one.id < other.id


def signer_of(envelope: Envelope) -> bytes | None:
    """The session key that signed, None for the wallet itself."""
    return None if envelope.session is None else envelope.session.key


def _is_off(envelope: Envelope) -> bool:
    return isinstance(envelope.body, Subscription) and not envelope.body.on


class Versions(Generic[K]):
    """Every live version per key; in force is the newest of those whose signer still counts.

    Older versions are kept until they expire, since one that is newer may yet turn out void or signed by a revoked
    key. A key belongs to the one author of its envelopes."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._versions: dict[K, dict[EnvelopeId, Envelope]] = {}
        self._in_force: dict[K, Envelope] = {}
        self._key_of: dict[EnvelopeId, K] = {}
        self._keys_of: defaultdict[Account, set[K]] = defaultdict(set)
        self._expiries = Expiries()

    def __len__(self) -> int:
        """Versions that are held."""
        return len(self._key_of)

    def add(self, key: K, envelope: Envelope) -> Envelope | None:
        """Take an envelope in and return what is in force for the key now. Order of arrival does not matter."""
        if envelope.id not in self._key_of:
            self._versions.setdefault(key, {})[envelope.id] = envelope
            self._key_of[envelope.id] = key
            self._keys_of[envelope.author].add(key)
            self._expiries.add(envelope.body.expires_at, envelope.id)
        chosen = self._in_force.get(key)
        if self._authority.counts(envelope) and (chosen is None or newer(envelope, chosen)):
            self._in_force[key] = chosen = envelope
        return chosen

    def withdraw(self, envelope_id: EnvelopeId) -> K | None:
        """Unlearn a version, void or expired; returns its key, None where it was not held."""
        key = self._key_of.pop(envelope_id, None)
        if key is None:
            return None
        versions = self._versions[key]
        envelope = versions.pop(envelope_id)
        if not versions:
            del self._versions[key]
            self._leave(envelope.author, key)
        if self._in_force.get(key) is envelope:
            self.choose(key)
        return key

    def choose(self, key: K) -> Envelope | None:
        """Decide again what is in force, after something happened to its signers."""
        best = self._newest(self._versions.get(key, {}).values())
        if best is None:
            self._in_force.pop(key, None)
        else:
            self._in_force[key] = best
        return best

    def reconsider(self, author: Account) -> None:
        """Decide all keys of an author again, after a grant or a revocation of it became known."""
        for key in self.keys_of(author):
            self.choose(key)

    def in_force(self, key: K, now_ms: int) -> Envelope | None:
        """The envelope in force, None where there is none that is live."""
        chosen = self._in_force.get(key)
        if chosen is None or chosen.body.expires_at > now_ms:
            return chosen
        return self._newest(e for e in self._versions[key].values() if e.body.expires_at > now_ms)

    def versions(self, key: K) -> list[Envelope]:
        """All that are held of a key."""
        return list(self._versions.get(key, {}).values())

    def is_outdone(self, key: K, envelope: Envelope) -> bool:
        """Whether a newer version by the same signer lasts as long or longer (SPEC 9.3)."""
        signer, ends_at = signer_of(envelope), envelope.body.expires_at
        return any(
            other.body.expires_at >= ends_at
            and other.id != envelope.id
            and newer(other, envelope)
            and signer_of(other) == signer
            for other in self._versions.get(key, {}).values()
        )

    def keys_of(self, author: Account) -> frozenset[K]:
        """Every key of an author that has anything."""
        return frozenset(self._keys_of.get(author, ()))

    def sweep(self, now_ms: int) -> list[K]:
        """Forget the versions that have expired; returns their keys, some more than once."""
        keys = (self.withdraw(envelope_id) for envelope_id in self._expiries.due(now_ms))
        return [key for key in keys if key is not None]

    def _newest(self, envelopes: Iterable[Envelope]) -> Envelope | None:
        best: Envelope | None = None
        for envelope in envelopes:
            if (best is None or newer(envelope, best)) and self._authority.counts(envelope):
                best = envelope
        return best

    def _leave(self, author: Account, key: K) -> None:
        self._keys_of[author].discard(key)
        if not self._keys_of[author]:
            del self._keys_of[author]
