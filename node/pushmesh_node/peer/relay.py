"""Streams between main and peers: bytes pass through here, bounded by credit on one side and by Yamux on the other.

It opens and accepts only the protocols that main named, and never looks into what they carry.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import structlog
import trio

from pushmesh_protocol.reasons import Reason

from ..ipc import StreamClose, StreamCredit, StreamData, StreamOpen, Up
from .connection import Connection
from .errors import PeerError, StreamBroken
from .muxer import Stream
from .stats import Counters

WRITE_TIMEOUT_S: Final = 60.0
FAULTS: Final = frozenset({Reason.MALFORMED, Reason.OVERSIZE})
"""Reasons of main to end a stream for which its peer is to blame."""

READ_BYTES: Final = 65_536

log = structlog.get_logger()


class _Relayed:
    """One stream's two directions. `outgoing` holds at most the window of credit that main was given."""

    def __init__(self, stream_no: int, node_id: bytes, window_bytes: int) -> None:
        self.stream_no = stream_no
        self.node_id = node_id
        self.credit_up_bytes = window_bytes
        self.credit_down_bytes = window_bytes
        self.outgoing: deque[bytes] = deque()
        self.main_ended = False
        self.wake = trio.Event()  # the writer: data or an end; the reader: credit
        self.scope = trio.CancelScope()

    def stir(self) -> None:
        self.wake.set()
        self.wake = trio.Event()


class Relay:
    """`find` gives the connection to a peer, `send` passes messages to main and never waits, `blame` is told of peers
    that main ended a stream for."""

    def __init__(
        self,
        nursery: trio.Nursery,
        window_bytes: int,
        max_per_peer: int,
        find: Callable[[bytes], Connection | None],
        send: Callable[[Up], None],
        blame: Callable[[bytes, str], None],
        counters: Counters,
    ) -> None:
        self._nursery = nursery
        self._window_bytes = window_bytes
        self._max_per_peer = max_per_peer
        self._find = find
        self._send = send
        self._blame = blame
        self._counters = counters
        self._streams: dict[int, _Relayed] = {}
        self._by_peer: Counter[bytes] = Counter()
        self._next_no = 1

    # From main

    def open(self, message: StreamOpen) -> None:
        """Data may follow at once; failure is answered with an error."""
        if message.stream_no % 2 or message.stream_no in self._streams:
            self._send(StreamClose(message.stream_no, "bad-number"))
            return
        connection = self._find(message.node_id)
        if connection is None:
            self._send(StreamClose(message.stream_no, "not-connected"))
            return
        if not self._has_room(message.node_id):
            self._send(StreamClose(message.stream_no, "too-many-streams"))
            return
        relayed = self._add(message.stream_no, message.node_id)
        self._nursery.start_soon(self._open, relayed, connection, message.protocol)

    def data(self, message: StreamData) -> None:
        """Data for a stream that is gone is dropped: the close is on its way to main."""
        relayed = self._streams.get(message.stream_no)
        if relayed is None:
            return
        relayed.credit_down_bytes -= len(message.data)
        if relayed.credit_down_bytes < 0 or relayed.main_ended:
            self._end(relayed, "overdrawn" if not relayed.main_ended else "ended-twice")
            return
        relayed.outgoing.append(message.data)
        relayed.stir()

    def close(self, message: StreamClose) -> None:
        """Nil ends main's direction after its data; an error ends the stream now."""
        relayed = self._streams.get(message.stream_no)
        if relayed is None:
            return
        if message.error is not None:
            self._forget(relayed)
            if message.error in FAULTS:
                self._blame(relayed.node_id, message.error)
            return
        relayed.main_ended = True
        relayed.stir()

    def credit(self, message: StreamCredit) -> None:
        """Main took bytes of the peer."""
        relayed = self._streams.get(message.stream_no)
        if relayed is not None:
            relayed.credit_up_bytes += message.bytes
            relayed.stir()

    # From peers

    async def accept(self, connection: Connection, protocol: str, stream: Stream) -> None:
        """The handler of every protocol that main named."""
        if not self._has_room(connection.node_id):
            self._counters.add("streams_refused", "too-many-streams")
            return
        stream_no, self._next_no = self._next_no, self._next_no + 2
        relayed = self._add(stream_no, connection.node_id)
        self._send(StreamOpen(stream_no, connection.node_id, protocol))
        with relayed.scope:
            await self._pump(relayed, stream)

    # Both

    def _has_room(self, node_id: bytes) -> bool:
        return self._by_peer[node_id] < self._max_per_peer

    def _add(self, stream_no: int, node_id: bytes) -> _Relayed:
        relayed = self._streams[stream_no] = _Relayed(stream_no, node_id, self._window_bytes)
        self._by_peer[node_id] += 1
        return relayed

    def _forget(self, relayed: _Relayed) -> None:
        if self._streams.pop(relayed.stream_no, None) is not None:
            self._by_peer[relayed.node_id] -= 1
            if not self._by_peer[relayed.node_id]:
                del self._by_peer[relayed.node_id]
        relayed.scope.cancel()

    def _end(self, relayed: _Relayed, error: str) -> None:
        if relayed.stream_no in self._streams:
            self._send(StreamClose(relayed.stream_no, error))
            self._forget(relayed)

    async def _open(self, relayed: _Relayed, connection: Connection, protocol: str) -> None:
        with relayed.scope:
            try:
                stream = await connection.open(protocol)
            except PeerError as error:
                log.info("stream not opened", peer=relayed.node_id.hex(), protocol=protocol, error=str(error))
                self._end(relayed, "not-opened")
                return
            try:
                await self._pump(relayed, stream)
            finally:
                await stream.reset()

    async def _pump(self, relayed: _Relayed, stream: Stream) -> None:
        """Both directions until both ended; an error on either ends both. Runs inside the stream's scope."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._up, relayed, stream)
                nursery.start_soon(self._down, relayed, stream)
            self._forget(relayed)
        finally:
            self._end(relayed, "lost")  # no effect unless the connection ended under it

    async def _up(self, relayed: _Relayed, stream: Stream) -> None:
        try:
            while True:
                while relayed.credit_up_bytes <= 0:
                    await relayed.wake.wait()
                data = await stream.read(min(READ_BYTES, relayed.credit_up_bytes))
                if not data:
                    self._send(StreamClose(relayed.stream_no, None))
                    return
                relayed.credit_up_bytes -= len(data)
                self._send(StreamData(relayed.stream_no, data))
        except StreamBroken as error:
            log.debug("relayed stream broke", error=str(error))
            self._end(relayed, "reset")

    async def _down(self, relayed: _Relayed, stream: Stream) -> None:
        try:
            while True:
                while not relayed.outgoing and not relayed.main_ended:
                    await relayed.wake.wait()
                if not relayed.outgoing:
                    await stream.close_write()
                    return
                data = relayed.outgoing.popleft()
                await stream.write(data, WRITE_TIMEOUT_S)
                relayed.credit_down_bytes += len(data)
                self._send(StreamCredit(relayed.stream_no, len(data)))
        except StreamBroken as error:
            log.debug("relayed stream broke", error=str(error))
            self._end(relayed, "reset")
