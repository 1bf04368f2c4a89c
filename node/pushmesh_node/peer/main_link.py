"""This end of the socket to main: messages in, in order; messages out, all that wait in one write."""

import trio

from ..ipc import Down, IpcError, Up
from ..ipc_wire import down_decoder, encode

_READ_BYTES = 262_144
_MAX_WAITING = 100_000


class MainLink:
    """What goes up is bounded by credit (frames, data) or by its nature (peers, stats), so `send` never waits."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._decoder = down_decoder()
        self._waiting: list[Up] = []
        self._wake = trio.Event()
        self._one_writer = trio.Lock()

    def send(self, message: Up) -> None:
        """In order; written by `run_writer`. Raises IpcError if main has not read for very long."""
        if len(self._waiting) >= _MAX_WAITING:
            raise IpcError("main does not read")
        self._waiting.append(message)
        self._wake.set()

    async def receive(self) -> list[Down]:
        """All complete messages of one read, perhaps none; raises EOFError when main is gone, IpcError on garbage."""
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except trio.BrokenResourceError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return self._decoder.feed(data)

    async def run_writer(self) -> None:
        """Until cancelled, or until main is gone, which the reader notices."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            if not await self.flush():
                return

    async def flush(self) -> bool:
        """Writes what waits; False if main is gone."""
        async with self._one_writer:
            waiting, self._waiting = self._waiting, []
            try:
                await self._stream.send_all(encode(waiting))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True
