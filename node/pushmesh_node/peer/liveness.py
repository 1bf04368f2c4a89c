"""Finds out whether a peer is still there: pings on one stream, and a connection that misses too many ends."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from .connection import Connection
from .errors import NegotiationError, PeerError
from .muxer import Stream
from .rate import Rate

PING: Final = "/ipfs/ping/1.0.0"
PING_BYTES: Final = 32
IDLE_TIMEOUT_S: Final = 120.0
ANSWERS_PER_S: Final = 10
"""On one stream; who asks faster waits for its answers."""


async def answer_pings(connection: Connection, protocol: str, stream: Stream) -> None:
    """The handler: echoes until the peer ends the stream or falls silent."""
    pace = Rate(ANSWERS_PER_S, trio.current_time())
    while True:
        await trio.sleep(pace.take(trio.current_time()))
        with trio.move_on_after(IDLE_TIMEOUT_S) as scope:
            data = await stream.read_exactly(PING_BYTES)
            await stream.write(data)
        if scope.cancelled_caught:
            return


async def watch(
    connection: Connection, interval_s: float, timeout_s: float, misses: int, random: Callable[[int], bytes]
) -> None:
    """Ends the connection with `ping` after so many misses in a row. `random` gives n bytes."""
    pinger = _Pinger(connection, random)
    missed = 0
    while True:
        await trio.sleep(interval_s)
        missed = 0 if await _in_time(pinger.ping, timeout_s) else missed + 1
        if missed >= misses:
            connection.close("ping")
            return


async def _in_time(ping: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    alive = False
    with trio.move_on_after(timeout_s):
        alive = await ping()
    return alive


class _Pinger:
    """Keeps one stream open; opens a new one after each failure."""

    def __init__(self, connection: Connection, random: Callable[[int], bytes]) -> None:
        self._connection = connection
        self._random = random
        self._stream: Stream | None = None

    async def ping(self) -> bool:
        """True if the peer answered in any way that needs a living peer."""
        stream, self._stream = self._stream, None  # a cancelled ping leaves a stream that is out of step
        try:
            if stream is None:
                stream = await self._connection.open(PING)
            data = self._random(PING_BYTES)
            await stream.write(data)
            if await stream.read_exactly(PING_BYTES) != data:
                await stream.reset()
                return False
        except NegotiationError:
            return True  # it refused the protocol, so it lives
        except PeerError:
            return False
        self._stream = stream
        return True
