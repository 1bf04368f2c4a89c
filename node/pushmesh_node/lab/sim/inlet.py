"""What one connection brings to a node, at the pace at which the node reads it. What waits here is bounded: beyond, the
other end may not write. Each RPC counts as one: a node, which counts many fields as many RPCs, is slower still."""

from collections import deque
from collections.abc import Callable

from ...gossip.wire.rpc import Rpc
from ...peer.rate import RPCS_PER_S, Rate
from .clock import Clock
from .wire import Way


class Inlet:
    """`paused()` says whether so much of this peer is under way that it is not read; `take` reads an RPC."""

    def __init__(self, clock: Clock, way_in: Way, paused: Callable[[], bool], take: Callable[[Rpc, int], None]) -> None:
        self._clock = clock
        self._way_in = way_in
        self._paused = paused
        self._take = take
        self._rate = Rate(RPCS_PER_S, clock.now_us / 1e6)
        self._waiting: deque[tuple[Rpc, int]] = deque()
        self._early_until_us = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, rpc: Rpc, size_bytes: int) -> None:
        """One RPC is in."""
        if not self._waiting and not self._early_until_us and not self._paused():
            early_s = self._rate.take(self._clock.now_us / 1e6)
            if not early_s:
                self._read(rpc, size_bytes)
                return
            self._wait(early_s)
        self._waiting.append((rpc, size_bytes))

    def look(self) -> None:
        """Something was judged, or time passed: read what may be read."""
        while self._waiting and not self._paused():
            if self._early_until_us > self._clock.now_us:
                return
            if not self._early_until_us:  # else its place was taken when it came to the front
                early_s = self._rate.take(self._clock.now_us / 1e6)
                if early_s:
                    self._wait(early_s)
                    return
            self._early_until_us = 0
            self._read(*self._waiting.popleft())

    def _read(self, rpc: Rpc, size_bytes: int) -> None:
        self._way_in.read(size_bytes)
        self._take(rpc, size_bytes)

    def _wait(self, seconds: float) -> None:
        delay_us = max(1, int(seconds * 1e6))
        self._early_until_us = self._clock.now_us + delay_us
        self._clock.after(delay_us, self.look)
