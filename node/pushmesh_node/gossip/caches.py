"""The router's bounded memory: ids seen, and recent messages to answer IWANT. Time is an argument."""

from collections import OrderedDict


class SeenCache:
    """Ids by first sight: a later copy does not make an id live longer. Bounded by age and by count."""

    def __init__(self, ttl_ms: int, max_ids: int) -> None:
        self._ttl_ms = ttl_ms
        self._max_ids = max_ids
        self._first_seen_ms: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        """Ids held, expired ones included."""
        return len(self._first_seen_ms)

    def has(self, message_id: bytes, now_ms: int) -> bool:
        """True until the id is older than the limit or pushed out by count."""
        first = self._first_seen_ms.get(message_id)
        return first is not None and now_ms - first < self._ttl_ms

    def add(self, message_id: bytes, now_ms: int) -> None:
        """No effect on an id that is still in."""
        if self.has(message_id, now_ms):
            return
        self._first_seen_ms.pop(message_id, None)
        self._first_seen_ms[message_id] = now_ms
        if len(self._first_seen_ms) > self._max_ids:
            self._first_seen_ms.popitem(last=False)

    def forget(self, message_id: bytes) -> None:
        """A later copy is a first one again."""
        self._first_seen_ms.pop(message_id, None)

    def expire(self, now_ms: int) -> None:
        """Lets go of everything over age."""
        while self._first_seen_ms:
            message_id, first = next(iter(self._first_seen_ms.items()))
            if now_ms - first < self._ttl_ms:
                return
            del self._first_seen_ms[message_id]


class RecentCache:
    """The last accepted messages, bounded by count and bytes, and how often each peer took each."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._bytes = 0
        self._messages: OrderedDict[bytes, tuple[str, bytes, dict[bytes, int]]] = OrderedDict()

    def __len__(self) -> int:
        """Messages held."""
        return len(self._messages)

    def add(self, message_id: bytes, topic: str, data: bytes) -> None:
        """Pushes out the oldest until both bounds hold."""
        if message_id in self._messages:
            return
        self._messages[message_id] = (topic, data, {})
        self._bytes += len(data)
        while len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
            _, (_, old, _) = self._messages.popitem(last=False)
            self._bytes -= len(old)

    def take(self, message_id: bytes, peer: bytes, max_times: int) -> tuple[str, bytes] | None:
        """(topic, data), counted against this peer; None if unknown or taken too often by it."""
        held = self._messages.get(message_id)
        if held is None:
            return None
        topic, data, taken = held
        if taken.get(peer, 0) >= max_times:
            return None
        taken[peer] = taken.get(peer, 0) + 1
        return topic, data
