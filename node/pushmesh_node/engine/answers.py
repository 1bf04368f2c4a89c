"""What the node answers to those who ask: outcomes, who somebody is, refusals. Data that every edge shares."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs


class Level(StrEnum):
    """How far an envelope got; each level includes the ones before it."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    DURABLE = "durable"
    PROPAGATED = "propagated"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The answer to one published envelope. `id` is None where the bytes could not be read.

    `commit_no` is set from durable on. A level of durable with reason `duplicate` repeats an earlier answer; with
    `slot-void` the envelope is kept as proof only. `retry_after_s` is set where the same bytes may come again then."""

    id: EnvelopeId | None
    level: Level
    reason: Reason
    rule: str
    detail: str
    commit_no: int | None
    retry_after_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The one JSON form of every edge; the id in hex."""
        return {
            "id": None if self.id is None else self.id.hex(),
            "level": str(self.level),
            "reason": str(self.reason),
            "rule": self.rule,
            "detail": self.detail,
            "commit_no": self.commit_no,
        } | _retry(self.retry_after_s)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a publisher waits for: a level, how many others or wallets make it, and how long at most."""

    level: Level = Level.DURABLE
    count: int = 1
    timeout_s: float = 10.0


class Acknowledged(msgspec.Struct, frozen=True, gc=False):
    """The answer to one published envelope with what it rests on, as bytes that anybody can check: its receipt, which
    never changes, and the holds of others that are known. `outcome.level` is what was reached when it was given."""

    outcome: Outcome
    receipt: bytes | None
    holds: tuple[bytes, ...]

    def as_json(self) -> dict[str, Any]:
        """The one JSON form of every edge; bytes in base64url as everywhere in text."""
        return self.outcome.as_json() | {
            "receipt": None if self.receipt is None else to_text(self.receipt),
            "holds": [to_text(hold) for hold in self.holds],
        }


class Permission(IntEnum):
    """What a connection may do (token scopes of SPEC 11.3); a log-in has all of them."""

    READ = 1
    PUBLISH = 2


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is on a connection, proved by a log-in or a token. When the grant `grant_id` ends, so does the connection.
    None is the wallet itself.

    `topics` limits what a token may read; None is no limit. `token` is the digest of the token, None for a log-in."""

    account: Account
    permissions: frozenset[Permission]
    topics: frozenset[Topic] | None
    grant_id: bytes | None
    expires_at: UnixMs | None
    token: bytes | None = None


class Denied(Exception):
    """Raised at the edges for a request that is refused: the reason, the rule's number (or "") and a detail for it."""

    def __init__(self, reason: Reason, detail: str, rule: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.rule = rule
        self.detail = detail
        self.retry_after_s = retry_after_s

    def as_json(self) -> dict[str, Any]:
        """The one JSON form of every edge."""
        told = {"reason": str(self.reason), "rule": self.rule, "detail": self.detail}
        return told | _retry(self.retry_after_s)

    def as_outcome(self) -> Outcome:
        """The same said of one frame among others."""
        return Outcome(None, Level.REFUSED, self.reason, self.rule, self.detail, None, self.retry_after_s)

    @classmethod
    def from_refusal(cls, refusal: Refusal) -> "Denied":
        """The same answer at an edge."""
        return cls(refusal.reason, refusal.detail, refusal.rule)


def _retry(retry_after_s: float | None) -> dict[str, Any]:
    return {} if retry_after_s is None else {"retry_after_s": round(retry_after_s, 3)}
