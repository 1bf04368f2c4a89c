"""The router's memory of ids. Time is an argument."""

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
