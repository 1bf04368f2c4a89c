"""Sends this node's own frames: the packer's timer and the way down to the gossip process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..gossip.frames.packer import Packed, Packer
from ..ipc import Publish
from ..metrics import Metrics

WAITING_FRAMES = 4_096
"""Frames that may wait for the gossip process; above it they are left to sync, and counted."""


class Relaying:
    """`relay` never waits; one task sends."""

    def __init__(
        self,
        packer: Packer,
        send: Callable[[Sequence[Publish]], Awaitable[bool]],
        metrics: Metrics,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._packer = packer
        self._send = send
        self._metrics = metrics
        self._clock = clock
        self._ready: list[Packed] = []
        self._came = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def relay(self, parts: Sequence[Part], grants: Sequence[Envelope]) -> None:
        """The driver's hand: pack committed parts, and send what is full or idle."""
        self._queue(self._packer.add(parts, grants, self._clock()))
        self._arm()

    def _queue(self, frames: Sequence[Packed]) -> None:
        room = WAITING_FRAMES - len(self._ready)
        if len(frames) > room:
            self._metrics.dropped("relay", Reason.QUEUE_FULL, len(frames) - room)
        self._ready += frames[:room]
        if self._ready:
            self._came.set()

    def _arm(self) -> None:
        due_ms = self._packer.next_due_ms()
        if self._timer is None and due_ms is not None:
            delay_s = max(0, due_ms - self._clock()) / 1_000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._queue(self._packer.due(self._clock()))
        self._arm()

    async def run(self) -> None:
        """Send what is ready, until cancelled. What no process takes is lost to gossip and found by sync."""
        while True:
            await self._came.wait()
            self._came.clear()
            frames, self._ready = self._ready, []
            if not await self._send([Publish(frame.topic, frame.data) for frame in frames]):
                self._metrics.dropped("relay", Reason.NOT_READY, len(frames))
