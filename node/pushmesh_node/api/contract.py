"""What the HTTP API needs from the node; the composition root hands it in."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import Account, EnvelopeId

from ..admission import Door, Ticket
from ..engine.answers import Outcome, Principal


class Publishing(Protocol):
    """The way in."""

    @property
    def door(self) -> Door:
        """Asked before a frame is handed in."""

    def publish(
        self, frames: Sequence[bytes], tickets: Sequence[Ticket] = ()
    ) -> Awaitable[Sequence[Sequence[Outcome]]]:
        """Judge, commit and relay what the frames carry: a list of outcomes a frame, in its order, durable on return.
        `tickets` of the door, one for each, are given back when they are answered.

        Never raises for a publisher's fault. Raises Denied `queue-full` or `store-failed` where the node cannot take
        more now."""

    def publish_private(self, principal: Principal, item: bytes) -> Awaitable[Outcome]:
        """Take a private envelope (SPEC 4.19) of the logged-in wallet."""


class Tokens(Protocol):
    """A wallet's tokens at this node. Both raise Denied `forbidden` where the principal itself came by a token."""

    def tokens(self, principal: Principal) -> Sequence[dict[str, Any]]:
        """Those that were shown here and have not expired, the newest first, JSON-ready."""

    def revoke_token(self, principal: Principal, digest: bytes) -> Awaitable[dict[str, Any]]:
        """End a token for good; durable, and its connections ended, on return. Raises Denied `not-found`."""


class Directory(Protocol):
    """Look-ups of public state. All answers are JSON-ready (bytes as in `pushmesh_protocol.display`)."""

    def topic(self, topic: Topic) -> Envelope | None:
        """The topic envelope in force."""

    def subscriptions_of(self, account: Account) -> Sequence[Envelope]:
        """The subscriptions in force of a wallet, on and off."""

    def subscriber_count(self, topic: Topic) -> int:
        """Wallets whose subscription in force is on."""

    def subscribers(self, topic: Topic, after: Account | None, limit: int) -> Sequence[Account]:
        """Wallets in ascending order, for the topic's owner."""

    def opt_in(self, account: Account, topic: Topic) -> bytes | None:
        """The wallet's public word in force on a topic, on or off, as a proof (SPEC 4.29); None where it is not known
        or cannot be shown."""

    def grant(self, grant_id: bytes) -> Envelope | None:
        """A grant as it was signed, revoked or not; None where it is not known."""

    def seal_grants(self, account: Account) -> Sequence[Envelope]:
        """The wallet's live grants that name a seal key, the newest first."""

    def grants_of(self, account: Account) -> Sequence[dict[str, Any]]:
        """Known grants with their state."""

    def free_slots(self, account: Account, first_seq: int, end_seq: int, count: int) -> Awaitable[Sequence[int]]:
        """Random free seqs of the current epoch within allowance, as this node knows them (SPEC section 6)."""

    def explain(self, principal: Principal, id: EnvelopeId, issued_at: int | None) -> Awaitable[dict[str, Any]]:
        """Why the wallet did or did not get a message: the recorded decision and a fresh one, step by step.

        Raises Denied `not-found`."""

    def points(self, epoch: int | None) -> Awaitable[dict[str, Any]]:
        """Vouchered counts and units of an epoch, the current one by default, in total and per wallet."""

    def limits(self) -> dict[str, Any]:
        """Everything a client must keep to: network, byte limits, lives, windows, rates."""

    def status(self) -> dict[str, Any]:
        """Node id, network, peers, last commit number, readiness with reasons."""

    def peers(self) -> Sequence[dict[str, Any]]:
        """Connected peers and what this node thinks of them."""

    def sync(self) -> dict[str, Any]:
        """How far in step the node is with its peers."""

    def not_ready(self) -> Sequence[str]:
        """Why the node should get no traffic now, one word or sentence each; empty when it is ready."""
