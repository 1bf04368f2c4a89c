"""Who may sign for whom: the grants and revocations that are known, and what they make of an envelope (SPEC
4.9-4.12, 5.15, 5.16).

Deterministic state without a clock: the same set of grants and revocations in any order answers the same."""

from collections import defaultdict
from dataclasses import dataclass

from .auth.schemes import Session
from .envelope import Envelope
from .errors import Refusal
from .kinds.grant import Grant, Scope
from .kinds.registry import Kind
from .kinds.revocation import Revocation
from .reasons import Reason
from .types import Account, EnvelopeId

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


class Authority:
    """The known grants and cuts. `add` only what is authorised itself; adding twice changes nothing."""

    def __init__(self) -> None:
        self._grants: dict[bytes, KnownGrant] = {}
        self._by_author: defaultdict[bytes, list[KnownGrant]] = defaultdict(list)
        self._cuts: dict[tuple[bytes, bytes], Cut] = {}
        self._author_cuts: defaultdict[bytes, set[tuple[int, Cut]]] = defaultdict(set)

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
            self._author_cuts[author].add((body.before, cut))

    def grant(self, grant_id: bytes) -> KnownGrant | None:
        """The known grant of an id."""
        return self._grants.get(grant_id)

    def grants_of(self, author: bytes) -> tuple[KnownGrant, ...]:
        """All known grants of an author, in the order in which they became known."""
        return tuple(self._by_author.get(author, ()))

    def cut_of(self, grant: KnownGrant) -> Cut | None:
        """The earliest cut of a grant, or None while it is not revoked (SPEC 4.11)."""
        cuts = [cut for before, cut in self._author_cuts.get(grant.author, ()) if grant.body.issued_at < before]
        named = self._cuts.get((grant.author, grant.id))
        if named is not None:
            cuts.append(named)
        return min(cuts, default=None)

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

    def is_revoked(self, grant_id: bytes) -> bool:
        """Whether a known grant has any cut."""
        grant = self._grants.get(grant_id)
        return grant is not None and self.cut_of(grant) is not None

    def _check_scope(self, envelope: Envelope, grant: KnownGrant) -> None:
        body, scope = envelope.body, grant.body
        if envelope.kind != Kind.REVOCATION and envelope.kind not in scope.scopes:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant does not name this kind")
        if scope.topics is not None and body.topic is not None and body.topic not in scope.topics:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "the grant does not name this topic")
        if not scope.first_seq <= body.seq or body.seq + envelope.cost > scope.end_seq:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "a slot lies outside the grant's range")
        if not scope.not_before <= body.issued_at < scope.expires_at:
            raise Refusal(Reason.OUT_OF_SCOPE, "5.15", "issued-at lies outside the grant's time")
        for other in self._by_author[grant.author]:
            if other.order < grant.order and _owns(other.body, envelope):
                raise Refusal(Reason.OUT_OF_SCOPE, "5.16", "an earlier grant owns the slot")

    def _check_cut(self, envelope: Envelope, grant: KnownGrant) -> None:
        cut = self.cut_of(grant)
        # [IGNORE] the key was revoked before this was signed (SPEC 4.11)
        if cut is not None and (envelope.body.issued_at, envelope.body.seq) > cut:
            raise Refusal(Reason.GRANT_REVOKED, "4.11", "the grant was revoked before this was signed")


def _owns(grant: Grant, envelope: Envelope) -> bool:
    body = envelope.body
    overlaps = grant.first_seq < body.seq + envelope.cost and body.seq < grant.end_seq
    return overlaps and grant.not_before <= body.issued_at < grant.expires_at
