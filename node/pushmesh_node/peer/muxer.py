"""Yamux with bounds: what a peer may buffer here, how long a write waits, how often credit is given.

Uses libp2p's Yamux, whose reader believes any announced length and whose streams give credit at every small read.
"""

from typing import Final, Protocol, cast

import trio
from libp2p.io.exceptions import ConnectionClosedError, IncompleteReadError, IOException
from libp2p.network.connection.exceptions import RawConnError
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamEOF, MuxedStreamError, MuxedStreamReset
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from .errors import StreamBroken
from .guard import DATA, HEADER, MAX_FRAME_BYTES, HeaderGuard
from .noise import NoiseConnection

MAX_BUFFERED_BYTES: Final = 8 * 1024 * 1024  # of one connection, all streams
CREDIT_STEP_BYTES: Final = 128 * 1024  # half of a stream's window
FRAME_TIMEOUT_S: Final = 20.0  # to write one
BODY_TIMEOUT_S: Final = 20.0  # to read one
READ_BYTES: Final = 65_536
CHUNK_BYTES: Final = 60_000  # fits a Yamux frame and a Noise message
_WINDOW_POLL_S: Final = 0.005

_BREAKS = (
    MuxedStreamError,
    MuxedConnUnavailable,
    IOException,
    RawConnError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class Muxer(Protocol):
    """Many streams over one connection to a peer whose identity is known."""

    @property
    def peer_id(self) -> ID:
        """Whose key it is."""
        ...

    @property
    def violation(self) -> str:
        """What the peer broke, in words; empty while it broke nothing."""
        ...

    async def start(self) -> None:
        """Until the connection ends."""
        ...

    async def open(self) -> "Stream":
        """A new stream; raises whatever the connection breaks with."""
        ...

    async def accept(self) -> "Stream":
        """The next stream that the peer opens. Raises MuxedConnUnavailable when the connection ended."""
        ...

    async def close(self) -> None:
        """Say good-bye and end it. Idempotent."""
        ...


class BoundedYamux(Yamux):
    """Ends a connection whose peer sends more than its windows allow or what is no Yamux, or takes a frame in no
    reasonable time."""

    def __init__(self, secured: NoiseConnection, peer_id: ID, outbound: bool) -> None:
        self._guard = HeaderGuard(secured, self._take_data)
        super().__init__(self._guard, peer_id, is_initiator=outbound)  # type: ignore[arg-type]  # it passes the rest on

    @property
    def violation(self) -> str:
        """What the peer broke, in words; empty while it broke nothing."""
        return self._guard.violation

    async def open(self) -> "Stream":
        """See `Muxer`."""
        return Stream(await self.open_stream())

    async def accept(self) -> "Stream":
        """See `Muxer`."""
        return Stream(cast(YamuxStream, await self.accept_stream()))

    async def _read_data_body(self, length: int) -> bytes:
        held = sum(len(buffer) for buffer in self.stream_buffers.values())
        if length > MAX_FRAME_BYTES or held + length > MAX_BUFFERED_BYTES:
            self._guard.violation = "more than its windows"
            raise trio.TooSlowError  # the one error on which the base class ends the connection
        if body := self._guard.take(length):
            return body
        with trio.fail_after(BODY_TIMEOUT_S):
            body = await self._guard.read_exactly(length)
        if len(body) < length:
            raise IncompleteReadError("the connection ended within a frame", length, len(body))
        return body

    async def _take_data(self, stream_id: int, length: int) -> bool:
        """Data of a stream that stands, put where its reader looks for it: as the base class does, in far less time.
        False leaves the frame, of which only the header was read, to the base class."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return False
        data = await self._read_data_body(length)
        if self.streams.get(stream_id) is stream:  # else it was reset meanwhile, and nobody will read this
            self.stream_buffers[stream_id] += data
            stream.recv_window = max(0, stream.recv_window - length)
            self.stream_events[stream_id].set()
        return True

    async def read_data(self, stream: YamuxStream) -> bytes:
        """What is there, after waiting once if that is nothing; b"" where something else has come, which the base class
        then tells."""
        stream_id = stream.stream_id
        buffer = self.stream_buffers.get(stream_id)
        if not buffer and stream_id in self.streams and not stream.closed and not stream.recv_closed:
            await self.stream_events[stream_id].wait()
            if stream_id in self.streams:
                self.stream_events[stream_id] = trio.Event()
            buffer = self.stream_buffers.get(stream_id)
        if not buffer or stream.closed or stream.reset_received or self.event_shutting_down.is_set():
            return b""
        data = bytes(buffer[:READ_BYTES])
        del buffer[:READ_BYTES]
        return data

    async def write_data(self, stream: YamuxStream, data: bytes) -> None:
        """The caller has looked that the peer's window has room for it."""
        stream.send_window -= len(data)
        await self._write_frame(HEADER.pack(0, DATA, 0, stream.stream_id, len(data)) + data)

    async def _write_frame(self, data: bytes) -> None:
        # Shielded: a frame that is cut off by a cancellation would make garbage of all that follows it.
        async with self._write_lock:
            with trio.CancelScope(deadline=trio.current_time() + FRAME_TIMEOUT_S, shield=True) as scope:
                await self.secured_conn.write(data)
            if scope.cancelled_caught:
                await self.secured_conn.close()
                raise ConnectionClosedError("the peer took no frame in time", transport="tcp")


class _Breaks:
    """Makes whatever libp2p raises for a stream or connection that is gone a StreamBroken."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _BREAKS):
            raise StreamBroken(str(error) or type(error).__name__) from error


_breaks = _Breaks()


class Stream:
    """One stream of a connection. One reader and one writer at a time; every method raises StreamBroken only."""

    def __init__(self, muxed: YamuxStream) -> None:
        self._muxed = muxed
        self._conn = cast(BoundedYamux, muxed.conn)
        self._left = b""
        self._uncredited_bytes = 0

    async def read(self, max_bytes: int = 65_536) -> bytes:
        """Some bytes, as soon as there are any; b"" when the peer ended its direction."""
        if not self._left:
            self._left = await self._receive()
        data, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return data

    async def read_exactly(self, n: int) -> bytes:
        """Exactly n bytes; the end of the stream is a break."""
        data = await self.read(n)
        while len(data) < n:
            more = await self.read(n - len(data))
            if not more:
                raise StreamBroken("the stream ended")
            data += more
        return data

    async def _receive(self) -> bytes:
        conn, stream_id = self._conn, self._muxed.stream_id
        with _breaks:
            try:
                data = await conn.read_data(self._muxed) or await conn.read_stream(stream_id, READ_BYTES)
            except MuxedStreamReset:
                raise StreamBroken("the peer reset the stream") from None
            except MuxedStreamEOF:
                if stream_id not in conn.streams:
                    conn.stream_events.pop(stream_id, None)  # a reader that waited leaves a new event behind
                if self._muxed.reset_received or conn.event_shutting_down.is_set():
                    raise StreamBroken("the peer reset the stream") from None
                return b""
            self._uncredited_bytes += len(data)
            if self._uncredited_bytes >= CREDIT_STEP_BYTES and not self._muxed.recv_closed:
                credit, self._uncredited_bytes = self._uncredited_bytes, 0
                self._muxed.recv_window += credit
                await self._muxed.send_window_update(credit)
            return data

    async def write(self, data: bytes, timeout_s: float = 15.0) -> None:
        """All of `data`; gives up when the peer makes no room for a piece of it within the timeout."""
        for at in range(0, len(data), CHUNK_BYTES):
            piece = data[at : at + CHUNK_BYTES]
            while piece:
                room = await self._wait_for_window(timeout_s)
                with _breaks:
                    await self._conn.write_data(self._muxed, piece[:room])
                piece = piece[room:]

    async def _wait_for_window(self, timeout_s: float) -> int:
        # Polled, because libp2p's Yamux has no event for it, and its own wait ends the stream after five seconds.
        muxed, deadline = self._muxed, trio.current_time() + timeout_s
        while True:
            if muxed.closed or muxed.send_closed:
                raise StreamBroken("the stream is closed")
            if muxed.send_window > 0:
                return muxed.send_window
            if trio.current_time() >= deadline:
                raise StreamBroken("the peer makes no room")
            await trio.sleep(_WINDOW_POLL_S)

    async def close_write(self) -> None:
        """Ends this direction; reading goes on."""
        with _breaks:
            await self._muxed.close()

    async def reset(self) -> None:
        """Ends both directions at once. Idempotent, never raises, waits at most a second."""
        with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
            try:
                await self._muxed.reset()
            except _BREAKS:
                return  # gone already
