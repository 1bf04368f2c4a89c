"""What a fan-out costs at least: a uvloop server that writes one prepared frame to every connection, and does nothing
else.

`python -m pushmesh_node.lab.bare_fanout`; it prints its port and pid. A connection that sends "+" is a subscriber;
one that sends lines `<bytes> <frames>` has so many frames of that size written to all of them, in one write each, once
a line.
"""

import asyncio
import json
import os
import sys
from typing import cast

import uvloop

from .framing import TEXT, server_frame


class Bare(asyncio.Protocol):
    """One connection; `subscribers` is shared by all."""

    def __init__(self, subscribers: list[asyncio.Transport]) -> None:
        self._subscribers = subscribers
        self._transport: asyncio.Transport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A subscriber or the publisher: its first byte says."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A subscriber has gone."""
        if self._transport in self._subscribers:
            self._subscribers.remove(self._transport)

    def data_received(self, data: bytes) -> None:
        """One write to each, of all that the line asks for."""
        assert self._transport is not None
        if data == b"+":
            self._subscribers.append(self._transport)
            return
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            size, count = map(int, line.split())
            frames = a_frame(size) * count
            for transport in self._subscribers:
                transport.write(frames)


def a_frame(size: int) -> bytes:
    """A text frame that has so many bytes with its head; at least 131."""
    return server_frame(TEXT, b"x" * (size - 4))


async def serve() -> None:
    """Until the standard input ends."""
    loop = asyncio.get_running_loop()
    subscribers: list[asyncio.Transport] = []
    server = await loop.create_server(lambda: Bare(subscribers), "127.0.0.1", 0, backlog=2_048)
    print(json.dumps({"port": server.sockets[0].getsockname()[1], "pid": os.getpid()}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
