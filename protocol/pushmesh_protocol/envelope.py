"""An envelope as a node handles it: decoded, checked against every rule that needs no state, not yet verified."""

import msgspec

from .accounts import Topic
from .auth.schemes import Auth, Session
from .auth.statement import Statement
from .codec import pack
from .hashing import sha256
from .kinds.registry import AnyBody
from .types import Account, EnvelopeId, ItemHash


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One envelope. `body` is the decoded form of `body_bytes`; for a batch leaf `auth` is the statement's,
    `index` its place in the batch.

    `cost` is the number of slots it covers (SPEC 6.2)."""

    id: EnvelopeId
    kind: int
    author: Account
    body: AnyBody
    body_bytes: bytes
    auth: Auth
    cost: int
    statement: Statement | None = None
    index: int = 0

    @property
    def topic(self) -> Topic | None:
        """The topic that the body names."""
        return self.body.topic

    @property
    def session(self) -> Session | None:
        """The session auth it rests on, directly or through its batch statement; None for a wallet's own signature."""
        return self.auth if type(self.auth) is Session else None

    @property
    def order(self) -> tuple[int, int, bytes]:
        """The sort key of versions, collapse and replacement (SPEC 4.7)."""
        return (self.body.issued_at, self.body.seq, self.id)


def item_bytes(envelope: Envelope) -> bytes:
    """What the item hash covers (SPEC 4.2); for an envelope with its own auth the very item that frames carry."""
    if envelope.statement is None:
        return pack((0, envelope.kind, envelope.author, envelope.body_bytes, envelope.auth))
    return pack((1, envelope.statement, envelope.index, envelope.body_bytes))


def item_hash(envelope: Envelope) -> ItemHash:
    """32 bytes over the whole item, auth included (SPEC 4.2)."""
    return ItemHash(sha256(item_bytes(envelope)))
