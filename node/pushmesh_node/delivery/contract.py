"""The one delivery contract: what a transport gives a wallet and needs from the node. No transport knows another."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher

from ..engine.answers import Principal


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message for one wallet. `frame` is a self-contained frame of this envelope, which the wallet can verify.

    `verdict` is the delivery verdict (now, silent, ...) and `reason` why; kind is notification or retraction."""

    commit_no: int
    envelope: Envelope
    frame: bytes
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an inbox in commit order; `more` says to ask again.

    `next_cursor` lies past everything that was looked at, delivered or held."""

    messages: tuple[Message, ...]
    next_cursor: int
    more: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in this node's store: commit number and incarnation; text form `<incarnation hex>.<commit number>`."""

    incarnation: bytes
    commit_no: int


class Listener(Protocol):
    """A live consumer. Called on the node's own loop and never blocks: who cannot take more reads the store later."""

    principal: Principal

    def offer(self, messages: Sequence[Message]) -> None:
        """Take live messages, in commit order."""

    def end(self, reason: str, detail: str) -> None:
        """The node ends the connection: revoked key, draining."""


class Inboxes(Protocol):
    """What a transport needs from the node; the composition root hands it in."""

    def incarnation(self) -> bytes:
        """16 bytes of this node's store."""

    def listen(self, listener: Listener) -> int:
        """Register for live messages; returns the commit number after which they come live. `read` gives the rest."""

    def forget(self, listener: Listener) -> None:
        """Idempotent."""

    def fell_back(self, listener: Listener, messages: int) -> None:
        """Count a slow consumer: so many live messages left its full queue, and it will read them from the store."""

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        """Curated messages with after < commit number <= before, oldest first. Waits until `before` is durable."""

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        """Remember how far a device has read. Durable on return."""

    async def acknowledged(self, principal: Principal, device: str) -> int | None:
        """The last acknowledged commit number of a device, None for a new one."""

    async def take_voucher(self, principal: Principal, voucher: Voucher) -> None:
        """Count a voucher. Durable on return; raises Denied with the reason that it does not count."""

    async def last_vouchers(self, principal: Principal) -> Sequence[Voucher]:
        """The newest voucher of every stream of the wallet in this and the last epoch (SPEC 10.5)."""

    def delivered(self, transport: str, account: Account, messages: Sequence[Message]) -> None:
        """These were handed to a transport: counted, and told to their origins."""


Authenticate = Callable[[str, str], Awaitable[Principal]]
"""`await authenticate(text of a log-in or a token, remote address)`; raises Denied."""


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """Which messages of an inbox a consumer wants; None is all."""

    topics: frozenset[Topic] | None

    def wants(self, envelope: Envelope) -> bool:
        """Whether the envelope's topic is among them."""
        return self.topics is None or envelope.topic in self.topics
