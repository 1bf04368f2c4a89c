"""Who may sign for whom: the grants and revocations that are known, and what they make of an envelope (SPEC
4.9-4.12, 5.15, 5.16).

Deterministic state without a clock: the same set of grants and revocations in any order answers the same."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .auth.schemes import Session
from .envelope import Envelope
from .errors import Refusal
from .kinds.grant import Grant, Scope
from .kinds.registry import Kind
from .kinds.revocation import Revocation
from .reasons import Reason
from .types import Account, EnvelopeId

MAX_EARLIER = 64
"""Of how many earlier grants that overlap with one it is remembered that they do."""

Cut = tuple[int, int]
"""(issued-at, seq): what is greater is invalid."""


@dataclass(frozen=True, slots=True)
class KnownGrant:
    """An authorised grant: its id, author and body."""

    id: EnvelopeId
    author: Account
    body: Grant

    @property
    def order(self) -> tuple[int, bytes]:
        """Which of two overlapping grants came first (SPEC 5.16)."""
        return (self.body.issued_at, self.id)


class _Blanket:
    """The cuts of an author's revocations of all earlier grants. Those that no longer decide anything are dropped:
    what is kept ascends both in `befores` and in `cuts`, so that a flood of them costs a bisection."""

    def __init__(self) -> None:
        self._befores: list[int] = []
        self._cuts: list[Cut] = []

    def add(self, before: int, cut: Cut) -> None:
        end = bisect_right(self._befores, before)
        place = bisect_left(self._befores, before)
        if place < len(self._cuts) and self._cuts[place] <= cut:
            return  # a wider one cuts no later
        start = bisect_left(self._cuts, cut, 0, end)  # from here on narrower ones cut no earlier
        self._befores[start:end] = [before]
        self._cuts[start:end] = [cut]

    def cut_of(self, issued_at: int) -> Cut | None:
        place = bisect_right(self._befores, issued_at)
        return self._cuts[place] if place < len(self._cuts) else None


class _Earlier:
    """The earlier grants of the same author that may own slots of one grant, found among the first `seen`; one more
    than MAX_EARLIER where there are too many to keep."""

    __slots__ = ("found", "seen")

    def __init__(self) -> None:
        self.found: list[KnownGrant] = []
        self.seen = 0


class Authority:
    """The known grants and cuts. `add` only what is authorised itself; adding twice changes nothing.

    It forgets nothing: what an author can make it hold is bounded by the slots and the work that each grant and
    revocation costs. An envelope's check costs no more for an author with many grants, unless they overlap.
    """

    def __init__(self) -> None:
        self._grants: dict[bytes, KnownGrant] = {}
        self._by_author: defaultdict[bytes, list[KnownGrant]] = defaultdict(list)
        self._earlier: defaultdict[bytes, _Earlier] = defaultdict(_Earlier)
        self._cuts: dict[tuple[bytes, bytes], Cut] = {}
        self._blankets: defaultdict[bytes, _Blanket] = defaultdict(_Blanket)

    def add(self, envelope: Envelope) -> None:
        """Take in a grant or a revocation; other kinds change nothing here."""
        body = envelope.body
        if isinstance(body, Grant):
            if envelope.id not in self._grants:
                grant = KnownGrant(envelope.id, envelope.author, body)
                self._grants[envelope.id] = grant
                self._by_author[envelope.author].append(grant)
        elif isinstance(body, Revocation):
            self._add_revocation(envelope.author, body)

    def _add_revocation(self, author: Account, body: Revocation) -> None:
        cut = (body.cut_time, body.cut_seq)
        if body.grant_id is not None:
            key = (author, body.grant_id)
            self._cuts[key] = min(self._cuts.get(key, cut), cut)
        elif body.before is not None:
            self._blankets[author].add(body.before, cut)

    def grant(self, grant_id: bytes) -> KnownGrant | None:
        """The known grant of an id."""
        return self._grants.get(grant_id)

    def grants_of(self, author: bytes) -> tuple[KnownGrant, ...]:
        """All known grants of an author, the first by (issued-at, id) first."""
        return tuple(sorted(self._by_author.get(author, ()), key=lambda grant: grant.order))

    def revoked_by(self, author: bytes, revocation: Revocation) -> tuple[KnownGrant, ...]:
        """The known grants that a revocation of this author acts on (SPEC 4.10), in the same order."""
        if revocation.grant_id is not None:
            grant = self._grants.get(revocation.grant_id)
            return () if grant is None or grant.author != author else (grant,)
        before = revocation.before or 0
        return tuple([grant for grant in self.grants_of(author) if grant.body.issued_at < before])

    def cut_of(self, grant: KnownGrant) -> Cut | None:
        """The earliest cut of a grant, or None while it is not revoked (SPEC 4.11)."""
        named = self._cuts.get((grant.author, grant.id))
        blanket = self._blankets.get(grant.author)
        general = None if blanket is None else blanket.cut_of(grant.body.issued_at)
        return min((cut for cut in (named, general) if cut is not None), default=None)

    def overlaps(self, grant: KnownGrant) -> bool:
        """Whether another known grant of the author shares slots and time with this one (SPEC 5.16)."""
        others = self._by_author.get(grant.author, ())
        return any(other.id != grant.id and _overlap(other.body, grant.body) for other in others)

    def disputes(self) -> dict[bytes, int]:
        """Authors who signed what other grants or revocations of theirs make invalid, perhaps, with the time (ms) from
        which on that can be."""
        found: dict[bytes, int] = {}
        for grant in self._grants.values():
            cut = self.cut_of(grant)
            times = [grant.body.not_before] if self._earlier_of(grant) else []
            times += [] if cut is None else [cut[0]]
            if times:
                found[grant.author] = min(*times, found.get(grant.author, times[0]))
        return found

    def check(self, envelope: Envelope) -> None:
        """Raise Refusal `unknown-grant`, `out-of-scope` or `grant-revoked` unless the envelope's signer may sign it."""
        session = envelope.session
        if session is not None:
            grant = self.check_session(envelope.author, session)
            self._check_scope(envelope, grant)
            self._check_cut(envelope, grant)

    def check_session(self, author: bytes, session: Session) -> KnownGrant:
        """The grant that a session auth names, when it is the author's and has that key. Raises Refusal (SPEC 5.15)."""
        grant = self._grants.get(session.grant_id)
        # [IGNORE] the grant is not known here (SPEC 5.15)
        if grant is None:
            raise Refusal(Reason.UNKNOWN_GRANT, "5.15", "the grant is not known here")
        # [IGNORE] the grant is another author's or names another key (SPEC 5.15)
        if grant.author != author or grant.body.key != session.key:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant is another author's or names another key")
        return grant

    def check_live(self, author: bytes, session: Session, scope: Scope, now_ms: int) -> KnownGrant:
        """The grant behind a log-in, token or voucher, live at `now_ms`. Raises Refusal (SPEC 11.4)."""
        grant = self.check_session(author, session)
        if scope not in grant.body.scopes:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", f"the grant has no scope {scope.name.lower()}")
        if not grant.body.not_before <= now_ms < grant.body.expires_at:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant's time has not begun or is over")
        if self.cut_of(grant) is not None:
            raise Refusal(Reason.GRANT_REVOKED, "4.11", "the grant is revoked")
        return grant

    def counts(self, envelope: Envelope) -> bool:
        """Whether a subscription or topic that was authorised once still counts: its grant has no cut at all, and no
        earlier grant that became known since owns its slots (SPEC 4.14, 5.16)."""
        session = envelope.session
        if session is None:
            return True
        grant = self._grants.get(session.grant_id)
        if grant is None or self.cut_of(grant) is not None:
            return False
        return not any(_owns(other.body, envelope) for other in self._earlier_of(grant))

    def is_revoked(self, grant_id: bytes) -> bool:
        """Whether a known grant has any cut."""
        grant = self._grants.get(grant_id)
        return grant is not None and self.cut_of(grant) is not None

    def is_first_cut(self, envelope: Envelope) -> bool:
        """Whether a session key ends itself here, and its grant has no cut yet: never surplus (SPEC 6.5)."""
        session = envelope.session
        return session is not None and isinstance(envelope.body, Revocation) and not self.is_revoked(session.grant_id)

    def _check_scope(self, envelope: Envelope, grant: KnownGrant) -> None:
        body, scope = envelope.body, grant.body
        # [IGNORE] a kind, topic, slot or time that the grant does not name (SPEC 5.15; no scope for 4.12)
        if envelope.kind not in scope.scopes and envelope.kind != Kind.REVOCATION:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant does not name this kind")
        if scope.topics is not None and body.topic is not None and body.topic not in scope.topics:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant does not name this topic")
        if not scope.first_seq <= body.seq or body.seq + envelope.cost > scope.end_seq:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "a slot lies outside the grant's range")
        if not scope.not_before <= body.issued_at < scope.expires_at:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "issued-at lies outside the grant's time")
        # [IGNORE] a slot that an earlier grant owns (SPEC 5.16)
        if any(_owns(other.body, envelope) for other in self._earlier_of(grant)):
            raise Refusal(Reason.OUT_OF_SCOPE, "5.16", "an earlier grant owns the slot")

    def _earlier_of(self, grant: KnownGrant) -> Sequence[KnownGrant]:
        grants = self._by_author[grant.author]
        earlier = self._earlier[grant.id]
        if earlier.seen < len(grants) and len(earlier.found) <= MAX_EARLIER:
            news = grants[earlier.seen :]
            found = [other for other in news if other.order < grant.order and _overlap(other.body, grant.body)]
            earlier.found = (earlier.found + found)[: MAX_EARLIER + 1]
            earlier.seen = len(grants)
        if len(earlier.found) <= MAX_EARLIER:
            return earlier.found
        return [other for other in grants if other.order < grant.order]

    def _check_cut(self, envelope: Envelope, grant: KnownGrant) -> None:
        cut = self.cut_of(grant)
        # [IGNORE] the key was revoked before this was signed (SPEC 4.11)
        if cut is not None and (envelope.body.issued_at, envelope.body.seq) > cut:
            raise Refusal(Reason.GRANT_REVOKED, "4.11", "the grant was revoked before this was signed")


def _overlap(one: Grant, other: Grant) -> bool:
    slots = one.first_seq < other.end_seq and other.first_seq < one.end_seq
    return slots and one.not_before < other.expires_at and other.not_before < one.expires_at


def _owns(grant: Grant, envelope: Envelope) -> bool:
    body = envelope.body
    overlaps = grant.first_seq < body.seq + envelope.cost and body.seq < grant.end_seq
    return overlaps and grant.not_before <= body.issued_at < grant.expires_at
