"""Main's end of the streams to peers: plain reading and writing on top of the boundary's messages and credit.

It knows stream numbers and bytes, not what is said on them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..ipc import Both, StreamClose, StreamCredit, StreamData, StreamOpen

CHUNK_BYTES = 64 * 1024

Send = Callable[[Sequence[Both]], None]


class StreamLost(Exception):
    """The stream is gone: refused, reset, or with its connection or process. What was not read is lost."""


class GossipStream:
    """A stream to or from a peer. One reader and one writer at a time; every wait is the caller's to bound."""

    def __init__(self, stream_no: int, node_id: bytes, protocol: str, window_bytes: int, send: Send) -> None:
        self.stream_no = stream_no
        self.node_id = node_id
        self.protocol = protocol
        self._send = send
        self._incoming: deque[bytes] = deque()
        self._room_bytes = window_bytes
        self._step_bytes = max(1, window_bytes // 4)
        self._untold_bytes = 0
        self._peer_ended = False
        self._ended = False
        self._error: str | None = None
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Nothing passes any more in either direction."""
        return self._error is not None or (self._peer_ended and self._ended)

    async def read(self) -> bytes:
        """Some bytes as soon as there are any; b"" after the peer ended its direction. Raises StreamLost."""
        while not self._incoming:
            if self._error is not None:
                raise StreamLost(self._error)
            if self._peer_ended:
                return b""
            await self._wait()
        data = self._incoming.popleft()
        self._untold_bytes += len(data)
        if self._error is None and self._untold_bytes >= self._step_bytes:
            credit, self._untold_bytes = self._untold_bytes, 0
            self._send([StreamCredit(self.stream_no, credit)])
        return data

    async def write(self, data: bytes) -> None:
        """Returns when all of it is on its way; waits while the peer takes nothing. Raises StreamLost."""
        view = memoryview(data)
        while view:
            while self._room_bytes <= 0 and self._error is None:
                await self._wait()
            if self._error is not None or self._ended:
                raise StreamLost(self._error or "this side ended the stream")
            piece = view[: min(CHUNK_BYTES, self._room_bytes)]
            self._room_bytes -= len(piece)
            self._send([StreamData(self.stream_no, bytes(piece))])
            view = view[len(piece) :]

    def close_write(self) -> None:
        """Ends this direction; reading goes on. Idempotent."""
        if not self._ended and self._error is None:
            self._ended = True
            self._send([StreamClose(self.stream_no, None)])

    def reset(self, reason: str = "reset") -> None:
        """Ends both directions at once. Idempotent."""
        if not self.is_over:
            self._send([StreamClose(self.stream_no, reason)])
            self.lose(reason)

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # The other end

    def receive(self, data: bytes) -> None:
        """Bytes of the peer, within the credit that reading gave."""
        self._incoming.append(data)
        self._changed.set()

    def receive_end(self) -> None:
        """No more bytes of the peer."""
        self._peer_ended = True
        self._changed.set()

    def receive_credit(self, size_bytes: int) -> None:
        """The peer took bytes of ours."""
        self._room_bytes += size_bytes
        self._changed.set()

    def lose(self, error: str) -> None:
        """Whoever waits gets StreamLost; data that came before can still be read."""
        self._error = self._error or error
        self._changed.set()


class GossipStreams:
    """All streams of one life of the gossip process."""

    def __init__(self, window_bytes: int, send: Send, on_stream: Callable[[GossipStream], None]) -> None:
        self._window_bytes = window_bytes
        self._send = send
        self._on_stream = on_stream
        self._streams: dict[int, GossipStream] = {}
        self._next_no = 2

    def open(self, node_id: bytes, protocol: str) -> GossipStream:
        """Usable at once; if the peer refuses, reading and writing raise StreamLost."""
        stream = self._add(self._next_no, node_id, protocol)
        self._next_no += 2
        self._send([StreamOpen(stream.stream_no, node_id, protocol)])
        return stream

    def take(self, message: StreamOpen | StreamData | StreamClose | StreamCredit) -> None:
        """A message of the gossip process. For a stream that is over here it has no effect."""
        if isinstance(message, StreamOpen):
            self._on_stream(self._add(message.stream_no, message.node_id, message.protocol))
            return
        stream = self._streams.get(message.stream_no)
        if stream is None:
            return
        match message:
            case StreamData():
                stream.receive(message.data)
            case StreamCredit():
                stream.receive_credit(message.bytes)
            case StreamClose(error=None):
                stream.receive_end()
            case StreamClose():
                stream.lose(message.error or "")
        self._drop_if_over(stream)

    def lose_all(self, error: str) -> None:
        """The process is gone."""
        for stream in self._streams.values():
            stream.lose(error)
        self._streams.clear()

    def _add(self, stream_no: int, node_id: bytes, protocol: str) -> GossipStream:
        stream = GossipStream(stream_no, node_id, protocol, self._window_bytes, self._send_and_tidy)
        self._streams[stream_no] = stream
        return stream

    def _send_and_tidy(self, messages: Sequence[Both]) -> None:
        self._send(messages)
        for message in messages:
            if isinstance(message, StreamClose) and (stream := self._streams.get(message.stream_no)) is not None:
                if message.error is not None:
                    del self._streams[message.stream_no]
                else:
                    self._drop_if_over(stream)

    def _drop_if_over(self, stream: GossipStream) -> None:
        if stream.is_over:
            self._streams.pop(stream.stream_no, None)
