"""Messages between first sight and verdict, and accepted ones whose credit is still open. Bounded; judges nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .parameters import RouterLimits
from .rpc import Message


@dataclass(slots=True)
class Pending:
    """`senders` holds when each sent it, first first; `account` is the one on whose budget it is inspected."""

    message: Message
    account: bytes
    since_ms: int
    senders: dict[bytes, int]
    tried: dict[bytes, None] = field(default_factory=dict)  # whose budget did not suffice


class PendingMessages:
    """Counts against a peer outlive its connection, so that coming back buys no room."""

    def __init__(self, limits: RouterLimits) -> None:
        self._limits = limits
        self._pending: dict[bytes, Pending] = {}  # in the order of their times
        self._of_peer: dict[bytes, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def size_bytes(self) -> int:
        """Their data together."""
        return self._bytes

    def of(self, peer: bytes) -> int:
        """How many wait on this peer's account."""
        return self._of_peer.get(peer, 0)

    def get(self, message_id: bytes) -> Pending | None:
        """None if it does not wait."""
        return self._pending.get(message_id)

    def has_room(self, peer: bytes, size_bytes: int) -> bool:
        """Whether one more of this peer may wait."""
        limits = self._limits
        return (
            len(self._pending) < limits.max_pending_messages
            and self._bytes + size_bytes <= limits.max_pending_bytes
            and self._of_peer.get(peer, 0) < limits.max_pending_per_peer
        )

    def add(self, message_id: bytes, message: Message, peer: bytes, now_ms: int) -> None:
        """First sight, where there is room."""
        self._pending[message_id] = Pending(message, peer, now_ms, {peer: now_ms})
        self._bytes += len(message.data)
        self._of_peer[peer] = self._of_peer.get(peer, 0) + 1

    def move(self, pending: Pending, account: bytes) -> None:
        """Its inspection goes on another sender's account."""
        self._release(pending.account)
        pending.tried[pending.account] = None
        pending.account = account
        self._of_peer[account] = self._of_peer.get(account, 0) + 1

    def pop(self, message_id: bytes) -> Pending | None:
        """It waits no more."""
        pending = self._pending.pop(message_id, None)
        if pending is not None:
            self._bytes -= len(pending.message.data)
            self._release(pending.account)
        return pending

    def late(self, now_ms: int) -> list[bytes]:
        """Ids whose verdict is overdue."""
        late: list[bytes] = []
        for message_id, pending in self._pending.items():
            if now_ms - pending.since_ms < self._limits.judge_timeout_ms:
                break
            late.append(message_id)
        return late

    def _release(self, peer: bytes) -> None:
        left = self._of_peer[peer] - 1
        if left:
            self._of_peer[peer] = left
        else:
            del self._of_peer[peer]


@dataclass(slots=True)
class Credit:
    """What an accepted message is worth to those who sent it."""

    topic: str
    new_bytes: int
    since_ms: int
    senders: dict[bytes, int]


class OpenCredits:
    """Copies right behind the first share its credit, and some come after the verdict: so credit is given late."""

    def __init__(self, sharing_ms: int, max_credits: int) -> None:
        self._sharing_ms = sharing_ms
        self._max_credits = max_credits
        self._open: dict[bytes, Credit] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, message_id: bytes, credit: Credit) -> None:
        """Accepted just now."""
        self._open[message_id] = credit

    def copy(self, message_id: bytes, peer: bytes, now_ms: int) -> None:
        """Another peer sent it too."""
        credit = self._open.get(message_id)
        if credit is not None and now_ms - credit.since_ms <= self._sharing_ms:
            credit.senders.setdefault(peer, now_ms)

    def due(self, now_ms: int) -> Iterator[Credit]:
        """Takes out what nobody can share any more, and the oldest while there are too many."""
        while self._open:
            message_id, credit = next(iter(self._open.items()))
            if now_ms - credit.since_ms <= self._sharing_ms and len(self._open) <= self._max_credits:
                return
            del self._open[message_id]
            yield credit
