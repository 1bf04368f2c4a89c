"""State that the newest signed word decides: subscriptions, and topics' own details (SPEC 4.14)."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.newest import newer
from pushmesh_protocol.types import Account, EnvelopeId

from .expiries import Expiries

K = TypeVar("K", bound=Hashable)

OUTLASTED: Final = 8
"""A version that so many newer ones of its signer outlast never counts again, whatever becomes of them (SPEC 4.14): so
what is held is bounded by who may sign, and not by how often they change their mind."""

FEW: Final = 2 * OUTLASTED
"""Versions of a key that are put in order only when they are asked for."""

SPARE: Final = 64
"""So many ends of what was forgotten may wait, or as many as there are versions, before they are tidied away."""


def outlasts(one: Envelope, other: Envelope) -> bool:
    """Whether `one` is newer, by the same signer, and ends no sooner (SPEC 9.3)."""
    return (
        one.body.expires_at >= other.body.expires_at
        and one.id != other.id
        and newer(one, other)
        and signer_of(one) == signer_of(other)
    )


def signer_of(envelope: Envelope) -> bytes | None:
    """The session key that signed, None for the wallet itself."""
    return None if envelope.session is None else envelope.session.key


@dataclass(slots=True, eq=False)
class _Version:
    envelope: Envelope
    outlasted_by: int
    """So many at least, void ones too; what is forgotten is not taken off."""
    is_void: bool = False

    @property
    def may_count(self) -> bool:
        return not self.is_void and self.outlasted_by < OUTLASTED


class _Line:
    """The versions of one key by one signer that are not outlasted, by when they end. What was outlasted need not be
    looked at: whatever it outlasts, eight of these do."""

    __slots__ = ("newest", "oldest", "versions")

    def __init__(self, versions: Iterable[_Version]) -> None:
        self.versions: list[_Version] = []
        self.newest: Envelope | None = None
        self.oldest: Envelope | None = None
        """None of them is newer or older; so who comes in order, either way, is compared with next to nothing."""
        for version in versions:
            self.put(version)

    def outlasting(self, envelope: Envelope) -> Iterator[_Version]:
        """Those that outlast one of this line."""
        if self.newest is None or newer(envelope, self.newest):
            return iter(())
        start = bisect_left(self.versions, envelope.body.expires_at, key=_end_of)
        return (one for one in islice(self.versions, start, None) if outlasts(one.envelope, envelope))

    def outlasted(self, envelope: Envelope) -> list[_Version]:
        """Those that one of this line outlasts."""
        if self.oldest is None or newer(self.oldest, envelope):
            return []
        end = bisect_left(self.versions, envelope.body.expires_at + 1, key=_end_of)
        return [one for one in islice(self.versions, end) if outlasts(envelope, one.envelope)]

    def put(self, version: _Version) -> None:
        """One that is new."""
        insort(self.versions, version, key=_place_of)
        if self.newest is None or newer(version.envelope, self.newest):
            self.newest = version.envelope
        if self.oldest is None or newer(self.oldest, version.envelope):
            self.oldest = version.envelope

    def drop(self, version: _Version) -> None:
        """Idempotent."""
        at = bisect_left(self.versions, _place_of(version), key=_place_of)
        if at < len(self.versions) and self.versions[at] is version:
            del self.versions[at]


def _end_of(version: _Version) -> int:
    return version.envelope.body.expires_at


def _place_of(version: _Version) -> tuple[int, EnvelopeId]:
    return version.envelope.body.expires_at, version.envelope.id


class Versions(Generic[K]):
    """Live versions per key; in force is the newest of those whose signer still counts.

    Older versions are kept until they expire or are outlasted, since one that is newer may yet turn out void or signed
    by a revoked key. Void ones are kept too: else it would depend on the order of arrival what is outlasted. A key
    belongs to the one author of its envelopes."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._versions: dict[K, dict[EnvelopeId, _Version]] = {}
        self._lines: dict[tuple[K, bytes | None], _Line] = {}
        self._in_force: dict[K, Envelope] = {}
        self._key_of: dict[EnvelopeId, K] = {}
        self._keys_of: defaultdict[Account, set[K]] = defaultdict(set)
        self._expiries = Expiries()
        self._outlasted: list[EnvelopeId] = []
        self._outlasted_before: list[EnvelopeId] = []

    def __len__(self) -> int:
        """Versions that are held, void ones too."""
        return len(self._key_of)

    def add(self, key: K, envelope: Envelope) -> Envelope | None:
        """Take an envelope in and return what is in force for the key now. Order of arrival does not matter."""
        version = self._hold(key, envelope)
        best = self._in_force.get(key)
        is_best = version is not None and version.may_count and (best is None or newer(envelope, best))
        if is_best and self._authority.counts(envelope):
            best = self._in_force[key] = envelope
        return best

    def add_void(self, key: K, envelope: Envelope) -> Envelope | None:
        """The same for one whose slot is void: it never counts, but outlasts others."""
        self._hold(key, envelope)
        self.withdraw(envelope.id)
        return self._in_force.get(key)

    def withdraw(self, envelope_id: EnvelopeId) -> K | None:
        """It turned out void; returns its key, None where it does not count anyway."""
        key = self._key_of.get(envelope_id)
        if key is None or (version := self._versions[key][envelope_id]).is_void:
            return None
        version.is_void = True
        if self._in_force.get(key) is version.envelope:
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
        return self._newest([one for one in self._versions[key].values() if one.envelope.body.expires_at > now_ms])

    def versions(self, key: K) -> list[Envelope]:
        """Those of a key that are held and not void."""
        return [one.envelope for one in self._versions.get(key, {}).values() if not one.is_void]

    def is_outdone(self, key: K, envelope: Envelope) -> bool:
        """Whether a newer version by the same signer lasts as long or longer (SPEC 9.3), or so many that are void that
        this one never counts again."""
        held = self._versions.get(key, {}).get(envelope.id)
        if held is not None and held.outlasted_by in (0, OUTLASTED):
            return held.outlasted_by > 0
        outlasting = list(islice(self._line(key, envelope).outlasting(envelope), OUTLASTED))
        return len(outlasting) >= OUTLASTED or any([not one.is_void for one in outlasting])

    def keys_of(self, author: Account) -> frozenset[K]:
        """Every key of an author that has anything."""
        return frozenset(self._keys_of.get(author, ()))

    def sweep(self, now_ms: int) -> list[K]:
        """Forget the versions that have expired, and those that were outlasted by the sweep before this one: whoever
        looks at what was added finds them till then. Returns their keys, some more than once."""
        gone = [*self._expiries.due(now_ms), *self._outlasted_before]
        self._outlasted_before, self._outlasted = self._outlasted, []
        keys = [self._forget(envelope_id) for envelope_id in gone]
        if len(self._expiries) > 2 * len(self._key_of) + SPARE:
            held = [one.envelope for versions in self._versions.values() for one in versions.values()]
            self._expiries = Expiries([(envelope.body.expires_at, envelope.id) for envelope in held])
        return [key for key in keys if key is not None]

    def _hold(self, key: K, envelope: Envelope) -> _Version | None:
        """None for one that never counts."""
        if self._key_of.get(envelope.id) is not None:
            return self._versions[key][envelope.id]
        line = self._line(key, envelope)
        outlasted_by = len(list(islice(line.outlasting(envelope), OUTLASTED)))
        if outlasted_by >= OUTLASTED:
            return None
        self._outlast(key, line, envelope)
        version = self._versions.setdefault(key, {})[envelope.id] = _Version(envelope, outlasted_by)
        line.put(version)
        if len(self._versions[key]) > FEW:
            self._lines[key, signer_of(envelope)] = line
        self._key_of[envelope.id] = key
        self._keys_of[envelope.author].add(key)
        self._expiries.add(envelope.body.expires_at, envelope.id)
        return version

    def _line(self, key: K, envelope: Envelope) -> _Line:
        """Made when it is asked for where a key has few versions: nearly all have one, and there are very many keys."""
        signer = signer_of(envelope)
        kept = self._lines.get((key, signer))
        if kept is not None:
            return kept
        held = self._versions.get(key, {}).values()
        return _Line([one for one in held if one.outlasted_by < OUTLASTED and signer_of(one.envelope) == signer])

    def _outlast(self, key: K, line: _Line, envelope: Envelope) -> None:
        for one in line.outlasted(envelope):
            one.outlasted_by += 1
            if one.outlasted_by < OUTLASTED:
                continue
            self._outlasted.append(one.envelope.id)
            line.drop(one)
            if self._in_force.get(key) is one.envelope:
                self.choose(key)

    def _forget(self, envelope_id: EnvelopeId) -> K | None:
        key = self._key_of.pop(envelope_id, None)
        if key is None:
            return None
        versions = self._versions[key]
        version = versions.pop(envelope_id)
        envelope, signer = version.envelope, signer_of(version.envelope)
        line = self._lines.get((key, signer))
        if line is not None:
            line.drop(version)
            if len(versions) <= FEW or not line.versions:
                del self._lines[key, signer]
        if not versions:
            del self._versions[key]
            self._leave(envelope.author, key)
        if self._in_force.get(key) is envelope:
            self.choose(key)
        return key

    def _newest(self, versions: Iterable[_Version]) -> Envelope | None:
        best: Envelope | None = None
        for one in versions:
            if one.may_count and (best is None or newer(one.envelope, best)) and self._authority.counts(one.envelope):
                best = one.envelope
        return best

    def _leave(self, author: Account, key: K) -> None:
        self._keys_of[author].discard(key)
        if not self._keys_of[author]:
            del self._keys_of[author]
