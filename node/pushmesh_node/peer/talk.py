"""The gossip with one connected peer: its queue, and which streams carry it in each direction. No router, no RPCs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from ..gossip.wire.dialects import Dialect
from .connection import Connection
from .outbox import Outbox
from .rate import RPCS_PER_S, Rate

MAX_INBOUND_STREAMS: Final = 16
"""In the life of a connection, one at a time: a peer opens another only where one broke."""


class Talk:
    """Begins with a connection. It stands once the stream to the peer is negotiated: `outbox` is set then."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.outbox: Outbox | None = None
        self.dialect: Dialect | None = None
        self.record = b""  # the peer's signed record, once it showed one that holds
        self._stands = trio.Event()
        self._reader: trio.CancelScope | None = None
        self._streams = 0
        self._rpcs = Rate(RPCS_PER_S, trio.current_time())

    @property
    def stands(self) -> bool:
        """Whether the router knows the peer."""
        return self.outbox is not None

    @property
    def is_read(self) -> bool:
        """Whether an inbound stream is being read."""
        return self._reader is not None

    def stand(self, outbox: Outbox, dialect: Dialect) -> None:
        """What the peer sent meanwhile is read from now on."""
        self.outbox, self.dialect = outbox, dialect
        self._stands.set()

    def fall(self) -> Outbox | None:
        """The stream to the peer is gone, and with it what waited: that is given back. What comes in waits again."""
        outbox, self.outbox = self.outbox, None
        if outbox is not None:
            self._stands = trio.Event()
        return outbox

    async def wait(self) -> None:
        """Until it stands; the connection ends if it never does."""
        while not self.stands:
            await self._stands.wait()

    async def keep_pace(self, rpcs: int) -> None:
        """After so many RPCs of the peer (`rate.cost_of`): where that was too much for a second the next ones wait, in
        the end at the sender."""
        if too_early_s := self._rpcs.take(trio.current_time(), rpcs):
            await trio.sleep(too_early_s)

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """Around the reading of an inbound stream, which another one ends. False if the peer opened too many."""
        self._streams += 1
        if self._streams > MAX_INBOUND_STREAMS:
            yield False
            return
        if self._reader is not None:
            self._reader.cancel()
        with trio.CancelScope() as scope:
            self._reader = scope
            yield True
        if self._reader is scope:
            self._reader = None
