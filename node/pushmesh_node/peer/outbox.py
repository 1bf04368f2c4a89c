"""What waits to be written to one peer: the pure send queue, and a taker that waits for it to be filled. No I/O."""

from collections.abc import Callable
from typing import Final

import trio

from ..gossip.effects import Lane
from ..gossip.send_queue import SendQueue

BATCH_BYTES: Final = 60_000  # one write: fits a Yamux frame and a Noise message


class Outbox:
    """`push` never waits; `take` gives what one write carries. RPCs are encoded and have their length before them."""

    def __init__(self, max_rpcs: int, max_bytes: int, on_drop: Callable[[Lane], None]) -> None:
        self._queue: SendQueue[bytes] = SendQueue(max_rpcs, max_bytes, on_drop)
        self._filled = trio.Event()

    def __len__(self) -> int:
        """RPCs that wait."""
        return len(self._queue)

    @property
    def is_half_full(self) -> bool:
        """Time to stop adding more than what must go."""
        return self._queue.is_half_full

    def push(self, framed: bytes, lane: Lane, message_id: bytes | None = None) -> bool:
        """False if it was dropped. It may push out what waits in later lanes."""
        pushed = self._queue.push(framed, len(framed), lane, message_id)
        if pushed:
            self._filled.set()
        return pushed

    def cancel(self, message_id: bytes) -> bool:
        """Take a message out; False if it does not wait here."""
        return self._queue.cancel(message_id)

    async def take(self) -> bytes:
        """Waits for something to send; whole RPCs up to 60 kB, or one that is larger."""
        while not (batch := self._queue.take(BATCH_BYTES)):
            self._filled = trio.Event()
            await self._filled.wait()
        return b"".join(batch)
