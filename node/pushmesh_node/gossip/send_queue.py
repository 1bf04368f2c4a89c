"""What waits to be sent to one peer: bounded, in lanes, control before data. Knows no socket and no encoding."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from .effects import Lane

T = TypeVar("T")


class _Waiting(NamedTuple, Generic[T]):
    payload: T
    size_bytes: int
    message_id: bytes | None


class SendQueue(Generic[T]):
    """Holds at most so many payloads and bytes. `on_drop` is told the lane of each payload that finds no room or
    loses it; what is cancelled is no drop."""

    def __init__(self, max_payloads: int, max_bytes: int, on_drop: Callable[[Lane], None]) -> None:
        self._max_payloads = max_payloads
        self._max_bytes = max_bytes
        self._on_drop = on_drop
        self._lanes: tuple[OrderedDict[int, _Waiting[T]], ...] = tuple(OrderedDict() for _ in Lane)
        self._places: dict[bytes, tuple[Lane, int]] = {}  # of messages, for `cancel`
        self._next_place = 0
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Payloads that wait."""
        return self._count

    @property
    def is_half_full(self) -> bool:
        """Time to stop adding more than what must go."""
        return self._count * 2 >= self._max_payloads or self._bytes * 2 >= self._max_bytes

    def push(self, payload: T, size_bytes: int, lane: Lane, message_id: bytes | None = None) -> bool:
        """False if it was dropped. It pushes out what waits in later lanes, latest first, never its own lane."""
        while not self._has_room(size_bytes) and (later := self._last_lane_after(lane)) is not None:
            self._let_go(self._lanes[later].popitem()[1])
            self._on_drop(later)
        if not self._has_room(size_bytes):
            self._on_drop(lane)
            return False
        place, self._next_place = self._next_place, self._next_place + 1
        self._lanes[lane][place] = _Waiting(payload, size_bytes, message_id)
        self._count += 1
        self._bytes += size_bytes
        if message_id is not None:
            self._places[message_id] = (lane, place)
        return True

    def cancel(self, message_id: bytes) -> bool:
        """Take a message out; False if it does not wait here."""
        found = self._places.get(message_id)
        if found is None:
            return False
        lane, place = found
        self._let_go(self._lanes[lane].pop(place))
        return True

    def take(self, max_bytes: int) -> list[T]:
        """Payloads in order, together within the limit, or one that is larger; [] while nothing waits."""
        taken: list[T] = []
        size_bytes = 0
        for lane in self._lanes:
            while lane:
                first = next(iter(lane.values()))
                if taken and size_bytes + first.size_bytes > max_bytes:
                    return taken
                lane.popitem(last=False)
                taken.append(first.payload)
                size_bytes += first.size_bytes
                self._let_go(first)
        return taken

    def _last_lane_after(self, lane: Lane) -> Lane | None:
        return next((later for later in reversed(Lane) if later > lane and self._lanes[later]), None)

    def _let_go(self, waiting: _Waiting[T]) -> None:
        self._count -= 1
        self._bytes -= waiting.size_bytes
        if waiting.message_id is not None:
            self._places.pop(waiting.message_id, None)

    def _has_room(self, size_bytes: int) -> bool:
        return self._count < self._max_payloads and self._bytes + size_bytes <= self._max_bytes
