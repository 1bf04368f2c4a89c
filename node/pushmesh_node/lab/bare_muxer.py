"""Streams over a bare socket: what stands in libp2p's place where its cost is measured. Runs on trio.

Nothing is encrypted, nobody is authenticated, no stream has a window of its own. Only the laboratory's own entry point
`bare_peer` can reach this; no node that is run in any other way contains it.
"""

from typing import Final

import trio
from libp2p.crypto.keys import KeyPair
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from ..peer.errors import StreamBroken, UpgradeError
from ..peer.identity import node_id_of_keys, peer_id_of
from ..peer.muxer import Muxer, Stream
from ..peer.tcp import TcpConnection

DATA, END, RESET = 0, 1, 2
HEAD_BYTES: Final = 9
"""Stream number u32, kind u8, length u32; all big-endian."""

MAX_PIECES: Final = 4_096
"""Of one stream that nobody has read yet; then the whole connection waits."""

MAX_WAITING_STREAMS: Final = 256


class BareUpgrader:
    """In the place of `Upgrader`: both ends say their node id, and each believes it."""

    def __init__(self, keys: KeyPair) -> None:
        self._node_id = node_id_of_keys(keys)

    async def upgrade(self, raw: TcpConnection, expected: ID | None) -> Muxer:
        """`expected` None means inbound. Raises UpgradeError."""
        try:
            await raw.write(self._node_id)
            peer_id = peer_id_of(await raw.read_exactly(len(self._node_id)))
        except ConnectionClosedError as error:
            raise UpgradeError(str(error)) from error
        if expected not in (None, peer_id):
            raise UpgradeError("another node answered")
        return BareMuxer(raw, peer_id, outbound=expected is not None)


class BareMuxer:
    """In the place of Yamux. Stream numbers of who dialled are odd, those of who was dialled even."""

    def __init__(self, raw: TcpConnection, peer_id: ID, outbound: bool) -> None:
        self.peer_id = peer_id
        self._raw = raw
        self._streams: dict[int, BareStream] = {}
        self.violation = ""  # what comes is believed
        self._next_no = 1 if outbound else 2
        self._one_writer = trio.Lock()
        self._came_in, self._came = trio.open_memory_channel[BareStream](MAX_WAITING_STREAMS)

    async def start(self) -> None:
        """Take pieces apart until the connection ends."""
        try:
            while True:
                head = await self._raw.read_exactly(HEAD_BYTES)
                stream_no, kind = int.from_bytes(head[:4], "big"), head[4]
                data = await self._raw.read_exactly(int.from_bytes(head[5:], "big"))
                await self._take(stream_no, kind, data)
        except ConnectionClosedError:
            self._came_in.close()
            for stream in list(self._streams.values()):
                stream.end(broken=True)

    async def _take(self, stream_no: int, kind: int, data: bytes) -> None:
        stream = self._streams.get(stream_no)
        if stream is None and kind == DATA and stream_no % 2 != self._next_no % 2:
            stream = self._streams[stream_no] = BareStream(self, stream_no)
            await self._came_in.send(stream)
        if stream is None:
            return  # it was reset here
        if kind == DATA:
            await stream.put(data)
        else:
            stream.end(broken=kind == RESET)

    async def open(self) -> Stream:
        """The first piece of data tells the peer."""
        stream = self._streams[self._next_no] = BareStream(self, self._next_no)
        self._next_no += 2
        return stream

    async def accept(self) -> Stream:
        """Raises MuxedConnUnavailable when the connection ended."""
        try:
            return await self._came.receive()
        except trio.EndOfChannel as error:
            raise MuxedConnUnavailable("the connection ended") from error

    async def close(self) -> None:
        """Idempotent."""
        await self._raw.close()

    async def send(self, stream_no: int, kind: int, data: bytes = b"") -> None:
        """Raises StreamBroken."""
        head = stream_no.to_bytes(4, "big") + bytes((kind,)) + len(data).to_bytes(4, "big")
        async with self._one_writer:
            with trio.CancelScope(shield=True):  # half a piece would make garbage of all that follows
                try:
                    await self._raw.write(head + data)
                except ConnectionClosedError as error:
                    raise StreamBroken(str(error)) from error

    def forget(self, stream_no: int) -> None:
        """The stream is over."""
        self._streams.pop(stream_no, None)


class BareStream(Stream):
    """As its base, without windows."""

    def __init__(self, muxer: BareMuxer, stream_no: int) -> None:
        self._muxer = muxer
        self._stream_no = stream_no
        self._put, self._pieces = trio.open_memory_channel[bytes](MAX_PIECES)
        self._rest = b""
        self._broken = False

    async def put(self, data: bytes) -> None:
        """A piece from the peer."""
        try:
            await self._put.send(data)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return  # nobody reads it any more

    def end(self, broken: bool) -> None:
        """Nothing more comes from the peer."""
        self._broken = self._broken or broken
        self._put.close()

    async def read(self, max_bytes: int = 65_536) -> bytes:
        """See `Stream`."""
        if not self._rest:
            try:
                self._rest = await self._pieces.receive()
            except (trio.EndOfChannel, trio.ClosedResourceError):
                if self._broken:
                    raise StreamBroken("the peer reset the stream") from None
                return b""
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    async def write(self, data: bytes, timeout_s: float = 15.0) -> None:
        """See `Stream`."""
        await self._muxer.send(self._stream_no, DATA, data)

    async def close_write(self) -> None:
        """See `Stream`."""
        await self._muxer.send(self._stream_no, END)

    async def reset(self) -> None:
        """See `Stream`."""
        self._muxer.forget(self._stream_no)
        self._pieces.close()
        with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
            try:
                await self._muxer.send(self._stream_no, RESET)
            except StreamBroken:
                return  # gone already
