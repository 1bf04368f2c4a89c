"""Main's end of the gossip process: starts it, supervises it, and passes messages with credit. Runs on asyncio.

A dead, silent or misbehaving child costs an event and a restart, never the main process.
"""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ..ipc import (
    IPC_VERSION,
    Credit,
    Down,
    IpcError,
    Publish,
    Ready,
    Start,
    Stop,
    StreamClose,
    StreamCredit,
    StreamData,
    StreamOpen,
    Up,
)
from ..ipc_wire import Decoder, encode, up_decoder
from .gossip_streams import GossipStream, GossipStreams

READ_BYTES: Final = 1024 * 1024
CONNECT_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0
LAST_WORDS_S: Final = 0.5
TERM_TIMEOUT_S: Final = 2.0
BACKOFF_MIN_S: Final = 0.2
BACKOFF_MAX_S: Final = 60.0
LASTED_S: Final = 30.0

COMMAND: Final = (sys.executable, "-m", "pushmesh_node.peer")


@dataclass(frozen=True, slots=True)
class GossipReady:
    """The process listens; the replay was sent. Everything of an earlier life (peers, frames, streams) is void."""

    ready: Ready


@dataclass(frozen=True, slots=True)
class GossipLost:
    """The process is gone with all its frames and streams; it is started again after the pause."""

    reason: str
    restart_in_ms: int


GossipEvent = GossipReady | GossipLost


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is told. All are called on the event loop, must not block, and get things in the order they happened.

    `messages` gets all complete messages of one read but those of streams and publish credit. `replay` gives what a
    new process must be told before anything else.
    """

    messages: Callable[[list[Up]], None]
    event: Callable[[GossipEvent], None]
    stream: Callable[[GossipStream], None]
    replay: Callable[[], Iterable[Down]]


class GossipProcess:
    """`start`, then `send` and `open_stream`, then `stop`."""

    def __init__(
        self,
        start: Start,
        owner: Owner,
        command: Sequence[str] = COMMAND,
        restart_delay_s: float = BACKOFF_MIN_S,
    ):
        """A process that dies is started again after `restart_delay_s`, doubled up to a minute while it keeps dying."""
        self._start = start
        self._owner = owner
        self._command = tuple(command)
        self._restart_delay_s = restart_delay_s
        self._supervisor: asyncio.Task[None] | None = None
        self._child: Process | None = None
        self._door: socket.socket | asyncio.StreamWriter | None = None  # this end of the socket, from first to last
        self._writer: asyncio.StreamWriter | None = None  # the same while a process is ready
        self._streams: GossipStreams | None = None
        self._frames_left = 0
        self._bytes_left = 0
        self._credit_came = asyncio.Event()
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Returns at once; `GossipReady` follows."""
        self._supervisor = asyncio.create_task(self._supervise(), name="gossip-supervisor")

    async def stop(self) -> None:
        """Orderly, then by force; at most eight seconds. Idempotent. The child is reaped when it returns."""
        self._stopping = True
        if self._child is not None and self._writer is not None:  # who is not there yet cannot be asked
            self._write([Stop()])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), STOP_TIMEOUT_S)
        if self._supervisor is not None:
            await asyncio.wait((self._supervisor,), timeout=LAST_WORDS_S)  # what it said before it ended is still read
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor

    async def send(self, messages: Sequence[Down]) -> bool:
        """False if no process is ready: nothing was sent, `replay` will be asked. Waits for credit and for the socket.

        A `Publish` waits until the gossip process has room, and everything behind it in this list waits with it.
        """
        writer = self._writer
        ready: list[Down] = []
        for message in messages:
            if isinstance(message, Publish) and not self._spend(message):
                self._write(ready)
                ready = []
                while writer is self._writer and not self._spend(message):
                    self._credit_came.clear()
                    await self._credit_came.wait()
            ready.append(message)
        if writer is None or writer is not self._writer:
            return False
        self._write(ready)
        try:
            await writer.drain()
        except ConnectionError:
            return False
        return True

    def tell(self, messages: Sequence[Down]) -> None:
        """Send what needs no credit (all but `Publish`) at once; nothing happens if no process is ready."""
        self._write(messages)

    def open_stream(self, node_id: bytes, protocol: str) -> GossipStream | None:
        """None if no process is ready."""
        return self._streams.open(node_id, protocol) if self._streams is not None else None

    def _spend(self, message: Publish) -> bool:
        if self._writer is None or self._frames_left < 1 or self._bytes_left < len(message.data):
            return False
        self._frames_left -= 1
        self._bytes_left -= len(message.data)
        return True

    def _write(self, messages: Sequence[Down]) -> None:
        if self._writer is not None and messages:
            self._writer.write(encode(messages))

    # The child

    async def _supervise(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                reason = await self._live()
            finally:
                await self._end_child()
            if self._stopping:
                return
            failures = 0 if asyncio.get_running_loop().time() - began > LASTED_S else failures + 1
            pause_s = min(BACKOFF_MAX_S, self._restart_delay_s * 2 ** min(max(0, failures - 1), 10))
            self._owner.event(GossipLost(reason, int(pause_s * 1000)))
            await asyncio.sleep(pause_s)

    async def _live(self) -> str:
        """One child from start to end; why it ended."""
        try:
            child, ours = await self._spawn()
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_BYTES)
                self._door = writer
                writer.write(encode([self._start]))
                decoder = up_decoder()
                first = await _first_messages(reader, decoder, child)
            ready = first.pop(0)
            if not isinstance(ready, Ready) or ready.version != IPC_VERSION:
                return "no-ready"
            self._open(writer, ready)
            self._dispatch(first)
            return await self._read(reader, decoder)
        except TimeoutError:
            return "timeout"
        except IpcError:
            return "protocol"
        except OSError as error:
            return f"os: {error.strerror or error}"

    async def _spawn(self) -> tuple[Process, socket.socket]:
        """The child, with its end of a socket that has no name: nobody else can reach it, and nothing of it stays."""
        ours, theirs = socket.socketpair()
        self._door = ours
        ours.setblocking(False)
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                stdin=DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is the node's to handle
            )
        finally:
            theirs.close()
        return self._child, ours

    def _open(self, writer: asyncio.StreamWriter, ready: Ready) -> None:
        settings = self._start.settings
        self._writer = writer
        self._frames_left = settings.publish_window_frames
        self._bytes_left = settings.publish_window_bytes
        self._streams = GossipStreams(settings.stream_window_bytes, self._write, self._owner.stream)
        self._write(list(self._owner.replay()))
        self._owner.event(GossipReady(ready))

    async def _read(self, reader: asyncio.StreamReader, decoder: Decoder[Up]) -> str:
        # Stats come all the time, so a silent process is a stuck one.
        silence_s = max(10.0, 5 * self._start.settings.stats_interval_ms / 1000)
        while True:
            async with asyncio.timeout(silence_s):
                data = await reader.read(READ_BYTES)
            if not data:
                return "ended"
            self._dispatch(decoder.feed(data))

    def _dispatch(self, messages: list[Up]) -> None:
        others: list[Up] = []
        for message in messages:
            match message:
                case StreamOpen() | StreamData() | StreamClose() | StreamCredit():
                    if self._streams is not None:
                        self._streams.take(message)
                case Credit():
                    self._frames_left += message.frames
                    self._bytes_left += message.bytes
                    self._credit_came.set()
                case _:
                    others.append(message)
        if others:
            self._owner.messages(others)

    async def _end_child(self) -> None:
        door, self._door, self._writer = self._door, None, None
        self._credit_came.set()  # whoever waits to publish finds no process
        if self._streams is not None:
            self._streams.lose_all("process")
            self._streams = None
        if door is not None:
            door.close()
        child, self._child = self._child, None
        if child is not None:
            await _end(child)


async def _first_messages(reader: asyncio.StreamReader, decoder: Decoder[Up], child: Process) -> list[Up]:
    while True:
        try:
            data = await reader.read(READ_BYTES)
        except ConnectionError:  # it ended with our first words unread
            data = b""
        if not data:
            raise ConnectionError(f"it ended with {await child.wait()} before it was ready")
        if messages := decoder.feed(data):
            return messages


async def _end(child: Process) -> None:
    """By its own handle only; TERM first, KILL if that does not help. Reaps it."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), TERM_TIMEOUT_S)
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
