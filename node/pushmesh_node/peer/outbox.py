"""The bounded queue of encoded RPCs to one peer: control before data, what does not fit is counted. No I/O."""

from collections import deque
from collections.abc import Callable

import trio

from ..gossip.framing import frame

BATCH_BYTES = 60_000  # one write: fits a Yamux frame and a Noise message


class Outbox:
    """`push` never waits; `take` gives what one write carries."""

    def __init__(self, max_rpcs: int, max_bytes: int, on_drop: Callable[[str], None]) -> None:
        self._max_rpcs = max_rpcs
        self._max_bytes = max_bytes
        self._on_drop = on_drop
        self._control: deque[bytes] = deque()
        self._data: deque[bytes] = deque()
        self._bytes = 0
        self._filled = trio.Event()

    def __len__(self) -> int:
        """RPCs that wait."""
        return len(self._control) + len(self._data)

    @property
    def is_half_full(self) -> bool:
        """Time to stop adding more than what must go."""
        return len(self) * 2 >= self._max_rpcs or self._bytes * 2 >= self._max_bytes

    def push(self, rpc: bytes, control: bool) -> bool:
        """False if it was dropped. Control pushes out data that waits, data never pushes out anything."""
        framed = frame(rpc)
        while control and self._data and not self._has_room(len(framed)):
            self._bytes -= len(self._data.pop())
            self._on_drop("data")
        if not self._has_room(len(framed)):
            self._on_drop("control" if control else "data")
            return False
        (self._control if control else self._data).append(framed)
        self._bytes += len(framed)
        self._filled.set()
        return True

    def _has_room(self, size_bytes: int) -> bool:
        return len(self) < self._max_rpcs and self._bytes + size_bytes <= self._max_bytes

    async def take(self) -> bytes:
        """Waits for something to send; whole RPCs up to 60 kB, or one that is larger."""
        while not len(self):
            self._filled = trio.Event()
            await self._filled.wait()
        batch: list[bytes] = []
        size = 0
        while queue := self._control or self._data:
            if batch and size + len(queue[0]) > BATCH_BYTES:
                break
            batch.append(queue.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return b"".join(batch)
