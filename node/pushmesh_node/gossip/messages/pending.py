"""Messages between first sight and verdict, and accepted ones whose credit is still open. Bounded; judges nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..parameters import RouterLimits
from ..wire.rpc import Message


@dataclass(slots=True)
class Pending:
    """`senders` holds when each sent it, first first; `account` is the one on whose budget it is inspected."""

    message: Message
    account: bytes
    since_ms: int
    senders: dict[bytes, int]
    tried: dict[bytes, None] = field(default_factory=dict)  # whose budget did not suffice


@dataclass(slots=True)
class _Share:
    messages: int = 0
    size_bytes: int = 0


class PendingMessages:
    """What is on a peer's account outlives its connection, so that coming back buys no room."""

    def __init__(self, limits: RouterLimits) -> None:
        self._limits = limits
        self._pending: dict[bytes, Pending] = {}  # in the order of their times
        self._shares: dict[bytes, _Share] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def size_bytes(self) -> int:
        """Their data together."""
        return self._bytes

    def of(self, peer: bytes) -> int:
        """How many wait on this peer's account."""
        share = self._shares.get(peer)
        return share.messages if share is not None else 0

    def get(self, message_id: bytes) -> Pending | None:
        """None if it does not wait."""
        return self._pending.get(message_id)

    def has_room(self, peer: bytes, size_bytes: int, peers: int, *, earned: bool = True) -> bool:
        """Whether one more of this peer may wait. Beyond half, each of so many peers has an even share; the last
        quarter is for those who earned it.

        Else few peers could fill it, or many strangers, and whatever the others send would be turned away."""
        limits, messages, all_bytes = self._limits, len(self._pending), self._bytes
        if messages >= limits.max_pending_messages or all_bytes + size_bytes > limits.max_pending_bytes:
            return False
        if not earned and (
            messages * 4 >= limits.max_pending_messages * 3
            or (all_bytes + size_bytes) * 4 > limits.max_pending_bytes * 3
        ):
            return False
        share = self._shares.get(peer)
        if share is None:
            return True
        if share.messages >= limits.max_pending_per_peer:
            return False
        if messages * 2 < limits.max_pending_messages and all_bytes * 2 < limits.max_pending_bytes:
            return True
        return (
            share.messages * peers < limits.max_pending_messages
            and (share.size_bytes + size_bytes) * peers <= limits.max_pending_bytes
        )

    def add(self, message_id: bytes, message: Message, peer: bytes, now_ms: int) -> None:
        """First sight, where there is room."""
        self._pending[message_id] = Pending(message, peer, now_ms, {peer: now_ms})
        self._bytes += len(message.data)
        self._charge(peer, len(message.data))

    def move(self, pending: Pending, account: bytes) -> None:
        """Its inspection goes on another sender's account, as the last one's does not suffice."""
        pending.tried[pending.account] = None
        self.hand_over(pending, account)

    def hand_over(self, pending: Pending, account: bytes) -> None:
        """Its inspection goes on another sender's account."""
        size_bytes = len(pending.message.data)
        self._release(pending.account, size_bytes)
        pending.account = account
        self._charge(account, size_bytes)

    def pop(self, message_id: bytes) -> Pending | None:
        """It waits no more."""
        pending = self._pending.pop(message_id, None)
        if pending is not None:
            self._bytes -= len(pending.message.data)
            self._release(pending.account, len(pending.message.data))
        return pending

    def late(self, now_ms: int) -> list[bytes]:
        """Ids whose verdict is overdue."""
        late: list[bytes] = []
        for message_id, pending in self._pending.items():
            if now_ms - pending.since_ms < self._limits.judge_timeout_ms:
                break
            late.append(message_id)
        return late

    def _charge(self, peer: bytes, size_bytes: int) -> None:
        share = self._shares.get(peer)
        if share is None:
            share = self._shares[peer] = _Share()
        share.messages += 1
        share.size_bytes += size_bytes

    def _release(self, peer: bytes, size_bytes: int) -> None:
        share = self._shares[peer]
        share.messages -= 1
        share.size_bytes -= size_bytes
        if not share.messages:
            del self._shares[peer]


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
