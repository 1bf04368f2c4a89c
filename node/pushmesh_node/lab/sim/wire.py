"""Connections between nodes, which keep order.

TCP is modelled by what it shows: a lost segment delays itself and all behind it on its connection. There is no
congestion control; what one end may have on its way is bounded by the receiver, as TCP and Yamux have it."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ...gossip.effects import Lane
from ...gossip.send_queue import SendQueue
from .clock import Clock
from .lines import Line, Paths

Payload = Any
"""An `Rpc`, a word of sync, or whatever else an adversary says: who receives it finds out what it is."""


WINDOW_BYTES = 256 * 1024
"""Of one direction. This and the next are what `peer.muxer` keeps to, and holds peers to by hanging up."""

CREDIT_STEP_BYTES = 128 * 1024
"""A reader gives room back in steps of at least so much."""


class Sent(NamedTuple):
    """One payload with its encoded size."""

    payload: Payload
    size_bytes: int


class Endpoint(Protocol):
    """Whoever connections lead to: a node or a sybil."""

    node_id: bytes
    host: str
    up: Line
    down: Line

    def enter(self, host: str, *, outbound: bool) -> str | None:
        """Before the handshake: why not, or None. After None follow `shaken`, where inbound, and `leave`."""
        ...

    def shaken(self, host: str) -> None:
        """An inbound handshake is over, however it went."""
        ...

    def leave(self, host: str, *, outbound: bool) -> None:
        """A connection that was admitted is gone, or never came to be."""
        ...

    def accepts(self, link: "Link") -> str | None:
        """After the handshake, when it is known who is there: why not, or None."""
        ...

    def opened(self, link: "Link") -> None:
        """The connection stands; both ends are told at the same instant."""
        ...

    def ignores(self, payload: Payload) -> bool:
        """Whether it makes no difference to this end, so that its way need not be simulated. It costs the sender."""
        ...

    def window_bytes(self, peer: bytes) -> int:
        """How much of a peer its kernel lets be on its way and not acknowledged."""
        ...

    def received(self, link: "Link", batch: Sequence[Sent], overhead_bytes: int) -> None:
        """What one write of the other end carried. What is taken out of it is told to `Way.read`, now or later."""
        ...

    def wrote(self, size_bytes: int) -> None:
        """A write of this end went out."""
        ...

    def closed(self, link: "Link", reason: str) -> None:
        """The connection is gone; once for each `opened`."""
        ...


class Way:
    """One direction of a connection: the bounded queue of the sender, then the wire. One write is under way at a
    time until its last bit has left."""

    __slots__ = (
        "_acks",
        "_busy_until_us",
        "_clock",
        "_in_flight_bytes",
        "_is_blocked",
        "_link",
        "_paths",
        "_rest",
        "_rest_bytes",
        "_room_bytes",
        "_source",
        "_target",
        "_uncredited_bytes",
        "_woken",
        "in_order_us",
        "queue",
    )

    def __init__(
        self,
        link: "Link",
        source: Endpoint,
        target: Endpoint,
        clock: Clock,
        paths: Paths,
        bounds: tuple[int, int],
        on_drop: Callable[[Lane], None],
    ) -> None:
        self.queue: SendQueue[Sent] = SendQueue(*bounds, on_drop)
        self._link = link
        self._source = source
        self._target = target
        self._clock = clock
        self._paths = paths
        self._busy_until_us = 0
        self.in_order_us = 0
        self._woken = False
        self._room_bytes = WINDOW_BYTES
        self._uncredited_bytes = 0
        self._in_flight_bytes = 0
        self._acks: deque[tuple[int, int]] = deque()  # when each write is acknowledged, of those that arrived
        self._is_blocked = False  # until the next acknowledgement is under way
        self._rest: list[Sent] = []  # what is being written,
        self._rest_bytes = 0  # and how much of it had no room to be on its way yet

    def push(self, payload: Payload, size_bytes: int, lane: Lane, message_id: bytes | None = None) -> None:
        """Queue a payload; a full queue drops, and says so. What the other end ignores is written and not delivered."""
        if not self._woken and not self._rest and self._room_bytes > 0 and self._target.ignores(payload):
            self._spend(size_bytes)
        elif self.queue.push(Sent(payload, size_bytes), size_bytes, lane, message_id):
            self._wake()

    def _spend(self, size_bytes: int) -> None:
        size = self._paths.conditions.write_overhead_bytes + size_bytes
        self._source.wrote(size)
        self._busy_until_us = self._source.up.send(self._clock.now_us, size)

    def read(self, size_bytes: int) -> None:
        """The receiver took so much of what came; the sender learns of it after the latency."""
        self._uncredited_bytes += size_bytes
        if self._uncredited_bytes >= CREDIT_STEP_BYTES:
            self._clock.after(self._link.latency_us, self._credit, self._uncredited_bytes)
            self._uncredited_bytes = 0

    def _credit(self, size_bytes: int) -> None:
        self._room_bytes += size_bytes
        if len(self.queue):
            self._wake()

    def _wake(self) -> None:
        if not self._woken and (self._rest or self._room_bytes > 0) and not self._is_blocked:
            self._woken = True
            self._clock.at(self._busy_until_us, self._write)

    def _wait_for_ack(self) -> None:
        if self._acks:
            self._woken = True
            self._clock.at(max(self._acks[0][0], self._busy_until_us), self._write)
        else:
            self._is_blocked = True

    def _acknowledge(self, time_us: int, size_bytes: int) -> None:
        self._acks.append((time_us, size_bytes))
        if self._is_blocked:
            self._is_blocked = False
            self._wait_for_ack()

    def _write(self) -> None:
        self._woken = False
        if not self._link.is_open_at(self._source):
            return
        while self._acks and self._acks[0][0] <= self._clock.now_us:
            self._in_flight_bytes -= self._acks.popleft()[1]
        whole_bytes = self._target.window_bytes(self._source.node_id)
        window_bytes = whole_bytes - self._in_flight_bytes
        if not self._rest and window_bytes > 0 and not self._begin(window_bytes):
            return
        # No small pieces, as TCP has it (RFC 9293, 3.8.6.2.1).
        if window_bytes <= 0 or window_bytes < min(self._rest_bytes, whole_bytes // 2):
            self._wait_for_ack()
            return
        size = min(self._rest_bytes, window_bytes)
        self._rest_bytes -= size
        batch: Sequence[Sent] = ()
        if not self._rest_bytes:
            batch, self._rest = self._rest, []
        self._in_flight_bytes += size
        self._source.wrote(size)
        line = self._source.up
        self._busy_until_us = line.send(self._clock.now_us, size)
        latency_us = self._link.latency_us
        arrives_us = self._busy_until_us + latency_us + self._paths.loss_delay_us(size, latency_us)
        self.in_order_us = arrives_us = max(arrives_us, self.in_order_us)
        self._clock.at(arrives_us, self._arrive, batch, size, line.lasts_us(size))
        if self._rest or len(self.queue):
            self._wake()

    def _begin(self, window_bytes: int) -> bool:
        """Take what is written next; False where nothing may be."""
        conditions = self._paths.conditions
        self._rest = self.queue.take(min(conditions.write_bytes, self._room_bytes, window_bytes))
        size = sum([sent.size_bytes for sent in self._rest])
        self._room_bytes -= size
        self._rest_bytes = size + conditions.write_overhead_bytes
        return bool(self._rest)

    def _arrive(self, batch: Sequence[Sent], size: int, sent_in_us: int) -> None:
        in_us = self._target.down.receive(self._clock.now_us, sent_in_us, size)
        self._acknowledge(in_us + self._link.latency_us, size)
        if in_us <= self._clock.now_us:
            self._hand_over(batch)
        else:
            self._clock.at(in_us, self._hand_over, batch)

    def _hand_over(self, batch: Sequence[Sent]) -> None:
        if batch and self._link.is_open_at(self._target) and not self._link.is_cut:
            self._target.received(self._link, batch, self._paths.conditions.write_overhead_bytes)


class Link:
    """One connection. Each end sends by `way_from(itself)`. What was on its way when one end closed still arrives at
    the other, what was queued does not."""

    __slots__ = ("_clock", "_open_ends", "_ways", "acceptor", "dialler", "is_cut", "latency_us", "opened_ms")

    def __init__(
        self,
        dialler: Endpoint,
        acceptor: Endpoint,
        clock: Clock,
        paths: Paths,
        bounds: tuple[int, int],
        on_drop: Callable[[Lane], None],
    ) -> None:
        self.dialler = dialler
        self.acceptor = acceptor
        self.latency_us = paths.latency_us(dialler.node_id, acceptor.node_id)
        self.opened_ms = clock.now_ms
        self.is_cut = False
        """The path is broken: nothing arrives any more, and neither end knows."""

        self._clock = clock
        self._open_ends = [dialler, acceptor]
        self._ways = (
            Way(self, dialler, acceptor, clock, paths, bounds, on_drop),
            Way(self, acceptor, dialler, clock, paths, bounds, on_drop),
        )

    def way_from(self, end: Endpoint) -> Way:
        """The direction in which this end sends."""
        return self._ways[0] if end is self.dialler else self._ways[1]

    def other(self, end: Endpoint) -> Endpoint:
        """The peer of this end."""
        return self.acceptor if end is self.dialler else self.dialler

    def is_open_at(self, end: Endpoint) -> bool:
        """Whether this end still believes in it."""
        return end in self._open_ends

    def close(self, end: Endpoint, reason: str) -> None:
        """This end hangs up; the other learns of it when all that was sent before is in. Idempotent."""
        if end not in self._open_ends:
            return
        self._open_ends.remove(end)
        last_us = self.way_from(end).in_order_us
        self._clock.at(max(last_us, self._clock.now_us + self.latency_us), self._hang_up, self.other(end))
        end.closed(self, reason)

    def _hang_up(self, end: Endpoint) -> None:
        if end in self._open_ends:
            self._open_ends.remove(end)
            end.closed(self, "remote")
