"""The one delivery contract: what a transport gives a wallet and needs from the node. No transport knows another."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher

from ..engine.answers import Denied, Principal

T = TypeVar("T")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message for one wallet. `frame` is a self-contained frame of this envelope, which the wallet can verify.

    `verdict` is the delivery verdict (now, silent, ...) and `reason` why; kind is notification or retraction."""

    commit_no: int
    envelope: Envelope
    frame: bytes
    verdict: str
    reason: str


class Batch:
    """Messages that become live together for wallets that get them alike, in commit order, never none.

    All these wallets share the object, so that each form of the bytes is made once. A listener that writes at once may
    leave its write here: whoever offers the batch carries out many in a row by `flush`, before the loop goes on, since
    system calls between steps of Python cost twice as much."""

    __slots__ = ("_forms", "commit_no", "frame_bytes", "messages", "tells_origin", "writes")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = tuple(messages)
        self.commit_no = max([message.commit_no for message in self.messages])
        """Whoever has been given the batch has been given everything up to here."""
        self.frame_bytes = sum([len(message.frame) for message in self.messages])
        self.tells_origin = any([_has_origin(message.envelope) for message in self.messages])
        """Whether some node waits to hear which wallets got it."""
        self.writes: list[tuple[Callable[[bytes], object], bytes]] = []
        self._forms: dict[Hashable, Any] = {}

    def flush(self) -> None:
        """Carry out the writes that listeners left."""
        writes, self.writes = self.writes, []
        for write, data in writes:
            write(data)

    def encoded(self, form: Hashable, make: Callable[[Sequence[Message]], T]) -> T:
        """The messages in the form of this name, bytes or more; `make` is asked once."""
        found: T | None = self._forms.get(form)
        if found is None:
            found = self._forms[form] = make(self.messages)
        return found


def _has_origin(envelope: Envelope) -> bool:
    return isinstance(envelope.body, Notification) and envelope.body.origin is not None


class WalletEvent(msgspec.Struct, frozen=True):
    """News of the wallet itself for its other streams: a hint that is never stored, so one that is lost is no loss.

    `kind` is the word's type (acked, read, subscriptions), `form` the rest of it. A newer one of the same kind and key
    replaces one that was not given yet."""

    kind: str
    key: str
    form: Mapping[str, Any]


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
    transport: str
    """The name in metrics of what it writes to."""

    device: str | None
    """Whose stream it is among the wallet's, None where that has no name: it need not be told what it did itself."""

    def offer(self, batch: Batch) -> bool:
        """Take live messages. True where all of them went to the transport here and now, or will by `batch.flush`,
        which the caller calls before anything else happens; the caller counts them as delivered. Otherwise whoever
        hands them over later does."""

    def told(self, event: WalletEvent) -> None:
        """Take news of the wallet."""

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

    def durable(self) -> int:
        """The highest commit number that no crash takes back. No cursor that is told lies above it: the numbers there
        may yet become those of other messages."""

    def fell_back(self, listener: Listener, messages: int) -> None:
        """Count a slow consumer: so many live messages left its full queue, and it will read them from the store."""

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        """Curated messages with after < commit number <= before, oldest first. Waits until `before` is durable."""

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        """Remember how far a device has read, never backwards. Durable on return. Raises Denied as `reach` does, and
        where the store fails.

        Devices of a principal that is limited to some topics are not those of its wallet (`restriction_of`)."""

    def acknowledge_soon(
        self, principal: Principal, device: str, commit_no: int, done: Callable[[Denied | None], None]
    ) -> None:
        """The same without a task: `done` is called in a later turn of the loop once it is durable, or with why it is
        not. Raises Denied as `reach` does."""

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        """The same, durable a little later; costs next to nothing. Raises Denied: `forbidden` for who may not read,
        `bad-cursor` for what was never given."""

    async def acknowledged(self, principal: Principal, device: str) -> int | None:
        """The last acknowledged commit number of a device, None for a new one."""

    async def take_voucher(self, principal: Principal, voucher: Voucher) -> None:
        """Count a voucher. Durable on return; raises Denied with the reason that it does not count."""

    async def last_vouchers(self, principal: Principal) -> Sequence[Voucher]:
        """The newest voucher of every stream of the wallet in this and the last epoch (SPEC 10.5)."""

    def delivered(self, transport: str, account: Account, messages: Sequence[Message]) -> None:
        """These were handed to a transport: counted, and told to their origins."""

    def delivered_many(self, transport: str, accounts: Sequence[Account], batch: Batch) -> None:
        """The same of a batch that was handed to a connection of each of these wallets."""

    def now_ms(self) -> int:
        """The node's clock."""

    def outdated(self, message: Message, now_ms: int, account: Account | None = None) -> bool:
        """Whether a message that waited must not be shown any more, to this wallet or (None) to none of those that it
        was to go to: it expired, was taken back, or a newer one took its place."""


Authenticate = Callable[[str, str], Awaitable[Principal]]
"""`await authenticate(text of a log-in or a token, remote address)`; raises Denied."""


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """Which messages of an inbox a consumer wants; None is all but `without`."""

    topics: frozenset[Topic] | None
    without: frozenset[Topic] = frozenset()

    def wants(self, envelope: Envelope) -> bool:
        """Whether the envelope's topic is among them."""
        topic = envelope.topic
        return (self.topics is None or topic in self.topics) and topic not in self.without
