"""A port before one of a node's: passes bytes on both ways, and cuts or holds its connections when it is told to. Knows
no protocol."""

import asyncio
import socket
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

READ_BYTES: Final = 16_384
NARROW_BYTES: Final = 4_096
"""What the system may receive for a client that is to be felt soon when it reads nothing."""

_Ends = tuple[asyncio.WriteTransport, asyncio.WriteTransport]


class Wire:
    """Clients dial `port`. Everything is about all connections that go through it."""

    def __init__(self, target: int, *, narrow: bool = False, look_for: bytes = b"") -> None:
        """`target` is the node's port of loopback; a narrow one has hardly any room for what is not read; `found`
        counts how often the node says what is looked for."""
        self.port = 0
        self.found = 0
        self.cuts = 0
        self._target = target
        self._is_narrow = narrow
        self._look_for = look_for
        self._left: int | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._links: set[_Ends] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cuts what is left."""
        assert self._server is not None, "it was entered"
        self._server.close()
        self.cut()
        self.release()
        if self._serving:
            await asyncio.wait(self._serving)

    def cut(self) -> None:
        """Every connection, at once: what is on its way is lost."""
        self.cuts += 1
        self._left = None
        for ends in tuple(self._links):
            for end in ends:
                end.abort()

    def cut_after(self, count: int | None) -> None:
        """Cut as soon as the node has said so many more bytes, the last of which still arrives. None: never mind."""
        self._left = count

    def hold(self) -> None:
        """Take no more from the node, as a client that does not read."""
        self._flows.clear()

    def release(self) -> None:
        """Go on."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            await self._pass(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            writer.close()  # what the node said last still leaves

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_node, to_node = await self._dial()
        ends = (writer.transport, to_node.transport)
        self._links.add(ends)
        forth = asyncio.create_task(_pass_on(reader, to_node))
        try:
            await self._pass_back(from_node, writer)
        finally:
            self._links.discard(ends)
            forth.cancel()
            await asyncio.wait((forth,))
            to_node.transport.abort()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        link = socket.socket()
        if self._is_narrow:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
        link.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", self._target))
            return await asyncio.open_connection(sock=link, limit=READ_BYTES)
        except BaseException:
            link.close()
            raise

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tail = b""
        while True:
            await self._flows.wait()
            data = await reader.read(READ_BYTES)
            if not data:
                return
            left = self._left
            if left is not None and left <= len(data):
                writer.write(data[:left])
                self.cut()
                return
            if left is not None:
                self._left = left - len(data)
            if self._look_for:
                self.found += (tail + data).count(self._look_for)
                tail = (tail + data)[1 - len(self._look_for) :]
            writer.write(data)
            await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
