"""A message as a wallet has it after its own check."""

from dataclasses import dataclass

from pushmesh_protocol.accounts import display_topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.sealed import Content

from .sealing import Sealedness
from .verify import SignedBy


@dataclass(frozen=True, slots=True)
class Received:
    """A verified message. `verdict` (now, silent, ...) and `reason` are the curation of the node at `node_url`; times
    in Unix milliseconds.

    `content` is what it says: opened where it was `sealed`, None where it could not be, and for a retraction. Whoever
    expects sealed content of a topic acts on OPENED alone: anybody's word in the open is no secret's. That it opens
    says nothing of who sealed it: `signed_by` does, and UNKNOWN_GRANT and UNCHECKED_GRANT are the node's word alone."""

    envelope: Envelope
    signed_by: SignedBy
    verdict: str
    reason: str
    cursor: str
    node_url: str
    received_at_ms: int
    sealed: Sealedness
    content: Content | None

    @property
    def id(self) -> bytes:
        """32 bytes."""
        return self.envelope.id

    @property
    def is_checked(self) -> bool:
        """Whether this machine checked by what right it was signed; else that it is its author's is a node's word."""
        return self.signed_by in (SignedBy.WALLET, SignedBy.SESSION)

    @property
    def topic(self) -> str:
        """Display form of its topic."""
        topic = self.envelope.topic
        assert topic is not None  # an inbox carries notifications and retractions
        return display_topic(topic)

    @property
    def notification(self) -> Notification | None:
        """Its signed body; None for a retraction."""
        body = self.envelope.body
        return body if isinstance(body, Notification) else None
