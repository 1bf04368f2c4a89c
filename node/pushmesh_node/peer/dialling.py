"""Dials whom the peer book says is due, a few at a time, and tells the book what came of it."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from .acquaintances import Acquaintances, jitter
from .errors import PeerError
from .host import Host
from .hosts import Address
from .stats import Counters

TICK_S: Final = 0.2

log = structlog.get_logger()


class Dialling:
    """`wanted` says below how many connections known peers are dialled, `not_reached` is told whom a dial missed."""

    def __init__(
        self,
        own: bytes,
        host: Host,
        known: Acquaintances,
        wanted: Callable[[], int],
        not_reached: Callable[[bytes], None],
        counters: Counters,
        timeout_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._own = own
        self._host = host
        self._known = known
        self._wanted = wanted
        self._not_reached = not_reached
        self._counters = counters
        self._timeout_s = timeout_s
        self._now_ms = now_ms

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                for address in self._due():
                    nursery.start_soon(self.dial, address)
                await trio.sleep(TICK_S)

    def _due(self) -> list[Address]:
        now_ms, connections = self._now_ms(), self._host.connections
        barred = {self._own, *self._known.bans.peers.banned(now_ms)}
        dialled = sum(connection.outbound for connection in connections.values())
        return self._known.book.due(now_ms, connections, barred, self._wanted(), dialled)

    async def dial(self, address: Address) -> bool:
        """Dial an address with a node id now; whether a connection stands."""
        assert address.node_id is not None
        try:
            await self._host.dial(address, self._timeout_s)
        except PeerError as error:
            log.info("dial failed", address=str(address), error=str(error))
            self._counters.add("dials", "failed")
            self._known.book.failed(address.node_id, self._now_ms(), jitter())
            self._not_reached(address.node_id)
            return False
        self._counters.add("dials", "ok")
        self._known.book.succeeded(address)
        return True
