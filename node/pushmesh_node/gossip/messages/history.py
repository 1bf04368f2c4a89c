"""The message cache: the last accepted messages in windows of one heartbeat, for IHAVE and IWANT (gossipsub v1.0)."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..wire.rpc import Rpc


@dataclass(slots=True)
class _Held:
    rpc: Rpc
    size_bytes: int
    taken: dict[bytes, int] = field(default_factory=dict)  # by peer


class History:
    """Bounded by windows, messages and bytes; the oldest go first."""

    def __init__(self, windows: int, announced_windows: int, max_messages: int, max_bytes: int) -> None:
        self._announced_windows = announced_windows
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._bytes = 0
        self._messages: dict[bytes, _Held] = {}
        self._windows: deque[dict[str, list[bytes]]] = deque([{}], maxlen=windows)  # the newest is first

    def __len__(self) -> int:
        """Messages held."""
        return len(self._messages)

    @property
    def size_bytes(self) -> int:
        """Their data together."""
        return self._bytes

    def put(self, message_id: bytes, rpc: Rpc) -> None:
        """`rpc` carries this one message, as it is sent to everybody."""
        if message_id in self._messages:
            return
        message = rpc.messages[0]
        self._messages[message_id] = _Held(rpc, len(message.data))
        self._bytes += len(message.data)
        self._windows[0].setdefault(message.topic, []).append(message_id)
        while len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
            self._forget(next(iter(self._messages)))

    def held_of(self, message_ids: Sequence[bytes]) -> list[bytes]:
        """Those of them that are held."""
        held = self._messages
        if held.keys().isdisjoint(message_ids):  # nearly always, and far faster than to look at each
            return []
        return [one for one in message_ids if one in held]

    def size_of(self, message_id: bytes) -> int | None:
        """Bytes of its data; None if it is not held."""
        held = self._messages.get(message_id)
        return held.size_bytes if held is not None else None

    def take(self, message_id: bytes, peer: bytes, max_times: int) -> Rpc | None:
        """The RPC that carries it, counted against this peer; None if unknown or taken too often by it."""
        held = self._messages.get(message_id)
        if held is None or held.taken.get(peer, 0) >= max_times:
            return None
        held.taken[peer] = held.taken.get(peer, 0) + 1
        return held.rpc

    def announced(self, topic: str) -> list[bytes]:
        """Ids of the topic that an IHAVE tells of, newest window first."""
        windows = list(self._windows)[: self._announced_windows]
        return [one for window in windows for one in window.get(topic, ()) if one in self._messages]

    def shift(self) -> None:
        """A heartbeat passed: a new window begins, and the oldest is forgotten."""
        if len(self._windows) == self._windows.maxlen:
            for ids in self._windows[-1].values():
                for message_id in ids:
                    self._forget(message_id)
        self._windows.appendleft({})

    def _forget(self, message_id: bytes) -> None:
        held = self._messages.pop(message_id, None)
        if held is not None:
            self._bytes -= held.size_bytes
